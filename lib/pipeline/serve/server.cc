#include "pipeline/serve/server.h"

// The one file that includes cpp-httplib. Its limits are compile-time: poll() for sockets beyond FD_SETSIZE,
// heads as long as browsers send them.
#define CPPHTTPLIB_USE_POLL
#define CPPHTTPLIB_TCP_NODELAY true
#define CPPHTTPLIB_LISTEN_BACKLOG 128
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <span>
#include <thread>
#include <vector>

#include "base/ascii.h"
#include "base/error.h"
#include "base/parallel.h"

namespace bantam {
namespace {

constexpr std::size_t kThreads = 256;  // connections that are served at once
constexpr std::size_t kChunk = 256 * 1024;
constexpr int kSilence = 30;                            // s without a byte of a head
constexpr int kStalled = 60;                            // s without a byte taken
constexpr auto kTick = std::chrono::milliseconds(100);  // between looks at cancel_requested()

HttpRequest request_of(const httplib::Request& request) {
  HttpRequest result{request.method, request.path, {}};
  for (const auto& [name, value] : request.headers) {
    const auto [entry, is_new] = result.headers.try_emplace(ascii_lower(name), value);
    if (!is_new) entry->second.append(", ").append(value);
  }
  return result;
}

// Sends a part of a file in chunks. A file that was shortened meanwhile ends the connection: the client
// misses bytes.
httplib::ContentProvider provider_of(const HttpAnswer& answer) {
  const auto buffer = std::make_shared<std::vector<char>>(
      static_cast<std::size_t>(std::min<std::int64_t>(kChunk, answer.length)));
  return [file = answer.file, begin = answer.offset, buffer](std::size_t offset, std::size_t length,
                                                             httplib::DataSink& sink) {
    const auto chunk = std::span(*buffer).first(std::min(buffer->size(), length));
    try {
      file->read_at(begin + static_cast<std::int64_t>(offset), std::as_writable_bytes(chunk));
    } catch (const Error&) {
      return false;
    }
    return static_cast<bool>(sink.write(chunk.data(), chunk.size()));
  };
}

void respond(const HttpAnswer& answer, const httplib::Request& request, httplib::Response& response) {
  // httplib would cut ranges out of whatever is answered, without regard to If-Range or to the end of the
  // file. The request is its own local variable, which it shows to handlers as a constant.
  const_cast<httplib::Request&>(request).ranges.clear();
  response.status = answer.status;
  std::string type;
  for (const auto& [name, value] : answer.headers) {
    if (name == "Content-Type") {
      type = value;  // comes with the content
    } else {
      response.set_header(name, value);
    }
  }
  if (answer.status == 304) {  // as long as it would have been, or httplib says that it is empty
    response.set_header("Content-Length", std::to_string(answer.length));
    response.set_header("Content-Type", type);
  } else if (answer.file && answer.length > 0) {
    response.set_content_provider(static_cast<std::size_t>(answer.length), type, provider_of(answer));
  } else if (!answer.text.empty()) {
    response.set_content(answer.text, type);
  } else if (!type.empty()) {
    response.set_header("Content-Type", type);
  }
}

void respond_plain(int status, std::string text, const httplib::Request& request,
                   httplib::Response& response) {
  HttpAnswer answer = plain_answer(status, std::move(text));
  Site::add_policies(answer);
  response.headers.clear();
  respond(answer, request, response);
}

int port_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return -1;
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  return -1;
}

// Ends what threads wait for: httplib joins them, and they would wait for readers that take nothing. It keeps
// no list of its connections, but they are this process's sockets of that port.
void shut_connections(int port) {
  const long limit = ::sysconf(_SC_OPEN_MAX);
  for (int socket = 3; socket < std::min(limit, 65536L); ++socket) {
    if (port_of(socket) == port) ::shutdown(socket, SHUT_RDWR);
  }
}

}  // namespace

struct Server::Impl {
  std::shared_ptr<const Site> site;
  httplib::Server server;
  int port = 0;

  void answer(const httplib::Request& request, httplib::Response& response) const {
    try {
      respond(site->answer(request_of(request)), request, response);
    } catch (const std::exception&) {
      respond_plain(500, "The file cannot be read.", request, response);
    }
  }

  // What httplib refuses by itself: heads that are none or too long, and a Range that it cannot read, which
  // is to be ignored (RFC 9110, section 14.2).
  void refuse(const httplib::Request& request, httplib::Response& response) const {
    if (response.status == 416 && response.body.empty()) {
      answer(request, response);
    } else if (response.body.empty()) {
      respond_plain(response.status,
                    response.status == 414 ? "The address is too long." : "That is no request.", request,
                    response);
    }
  }
};

Server::Server(std::shared_ptr<const Site> site, const std::string& host, int port)
    : impl_(std::make_unique<Impl>()) {
  impl_->site = std::move(site);
  httplib::Server& server = impl_->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_keep_alive_max_count(1);
  server.set_read_timeout(kSilence);
  server.set_write_timeout(kStalled);
  // By default httplib shares the port with whoever else asks for it (SO_REUSEPORT).
  server.set_socket_options([](int socket) {
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
  server.set_pre_routing_handler(
      [impl = impl_.get()](const httplib::Request& request, httplib::Response& response) {
        impl->answer(request, response);
        return httplib::Server::HandlerResponse::Handled;
      });
  server.set_error_handler(httplib::Server::HandlerWithResponse(
      [impl = impl_.get()](const httplib::Request& request, httplib::Response& response) {
        impl->refuse(request, response);
        return httplib::Server::HandlerResponse::Handled;
      }));
  errno = 0;
  impl_->port = port == 0 ? server.bind_to_any_port(host) : server.bind_to_port(host, port) ? port : -1;
  if (impl_->port > 0) return;
  if (errno == EADDRINUSE) fail("port {} of {} is in use; --port 0 takes a free one", port, host);
  fail("{} port {}: cannot listen there{}; give an address of this machine", quote(host), port,
       errno == EACCES ? " (permission denied)" : "");
}

Server::~Server() = default;

int Server::port() const {
  return impl_->port;
}

void Server::run() {
  std::atomic<bool> ended{false};
  bool listened = false;
  std::thread listener([&] {
    listened = impl_->server.listen_after_bind();
    ended = true;
  });
  while (!cancel_requested() && !ended) std::this_thread::sleep_for(kTick);
  const bool cancelled = !ended;
  bool stopped = false;
  while (!ended) {
    if (!stopped && impl_->server.is_running()) {
      impl_->server.stop();
      stopped = true;
    }
    if (stopped) shut_connections(impl_->port);  // again and again: one may have been accepted in between
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  listener.join();
  if (!cancelled && !listened) fail("port {}: the system lets no more connections in", impl_->port);
}

}  // namespace bantam
