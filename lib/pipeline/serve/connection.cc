#include "pipeline/serve/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/parallel.h"

namespace bantam {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxHead = 32 * 1024;
constexpr std::int64_t kChunk = 256 * 1024;
constexpr auto kIdle = std::chrono::seconds(30);     // between two requests, and for one head to arrive
constexpr auto kStalled = std::chrono::seconds(60);  // without a byte taken
constexpr auto kLinger = std::chrono::seconds(1);  // for what the other side still sends when we are done
constexpr int kTick = 200;                           // ms between looks at cancel_requested()

class Connection {
 public:
  Connection(int socket, const Site& site) : socket_(socket), site_(site) {}

  void run() {
    while (true) {
      const std::optional<std::string> head = read_head();
      if (!head) return;
      if (!answer(*head)) return;
    }
  }

  // Closing on bytes that nobody read resets the connection, and the answer may be lost with it.
  void linger() const {
    ::shutdown(socket_, SHUT_WR);
    const Clock::time_point until = Clock::now() + kLinger;
    char buffer[8192];
    while (wait_for(POLLIN, until) && ::recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
  }

 private:
  bool wait_for(short events, Clock::time_point until) const {
    while (!cancel_requested() && Clock::now() < until) {
      pollfd entry{socket_, events, 0};
      const int ready = ::poll(&entry, 1, kTick);
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
    return false;
  }

  // Everything up to the empty line, which is taken too. Nothing: the connection is over.
  std::optional<std::string> read_head() {
    const Clock::time_point until = Clock::now() + kIdle;
    while (true) {
      const std::size_t end = pending_.find("\r\n\r\n");
      if (end != std::string::npos) {
        std::string head = pending_.substr(0, end);
        pending_.erase(0, end + 4);
        return head;
      }
      if (pending_.size() > kMaxHead) {
        refuse(431, "The head of the request is too long.");
        return std::nullopt;
      }
      if (!wait_for(POLLIN, until)) return std::nullopt;
      char buffer[8192];
      const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return std::nullopt;
      pending_.append(buffer, static_cast<std::size_t>(got));
    }
  }

  // Whether the connection may go on.
  bool answer(const std::string& head) {
    const std::optional<HttpRequest> request = parse_http_request(head);
    if (!request) {
      refuse(400, "That is no request.");
      return false;
    }
    const bool close = request->wants_close() || request->has_body();
    HttpAnswer answer;
    try {
      answer = site_.answer(*request);
    } catch (const std::exception& error) {
      answer = {};
      answer.status = 500;
      answer.headers = {{"Content-Type", "text/plain; charset=utf-8"}};
      answer.text = "The file cannot be read.\n";
    }
    if (!send_head(answer, close)) return false;
    const bool body = request->method != "HEAD" && answer.status != 304;
    return (!body || send_body(answer)) && !close;
  }

  void refuse(int status, std::string_view text) {
    HttpAnswer answer;
    answer.status = status;
    answer.headers = {{"Content-Type", "text/plain; charset=utf-8"}};
    answer.text = std::string(text) + "\n";
    if (send_head(answer, true)) send_body(answer);
  }

  bool send_head(const HttpAnswer& answer, bool close) {
    std::string head = fmt::format("HTTP/1.1 {} {}\r\n", answer.status, reason_phrase(answer.status));
    for (const auto& [name, value] : answer.headers) head += name + ": " + value + "\r\n";
    if (answer.status != 304) head += fmt::format("Content-Length: {}\r\n", answer.body_bytes());
    head += close ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n";
    return send_bytes(std::as_bytes(std::span(head)));
  }

  bool send_body(const HttpAnswer& answer) {
    if (!answer.file) return send_bytes(std::as_bytes(std::span(answer.text)));
    std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(kChunk, answer.length)));
    for (std::int64_t sent = 0; sent < answer.length; sent += kChunk) {
      const auto chunk = std::span(buffer).first(static_cast<std::size_t>(std::min(kChunk, answer.length - sent)));
      try {
        answer.file->read_at(answer.offset + sent, chunk);
      } catch (const Error&) {
        return false;  // shortened meanwhile: the client sees that bytes are missing
      }
      if (!send_bytes(chunk)) return false;
    }
    return true;
  }

  bool send_bytes(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
      } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        if (!wait_for(POLLOUT, Clock::now() + kStalled)) return false;
      } else {
        return false;
      }
    }
    return true;
  }

  int socket_;
  const Site& site_;
  std::string pending_;  // received and not yet understood
};

}  // namespace

void serve_connection(int socket, const Site& site) noexcept {
  try {
    Connection connection(socket, site);
    connection.run();
    connection.linger();
  } catch (...) {
    // Out of memory: this connection ends, the others go on.
  }
  ::close(socket);
}

}  // namespace bantam
