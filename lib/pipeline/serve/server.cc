#include "pipeline/serve/server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <list>
#include <thread>

#include "base/error.h"
#include "base/parallel.h"
#include "pipeline/serve/connection.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxConnections = 256;
constexpr int kTick = 200;  // ms between looks at cancel_requested()

struct Worker {
  std::thread thread;
  std::atomic<bool> done{false};
};

void join_finished(std::list<Worker>& workers) {
  for (auto worker = workers.begin(); worker != workers.end();) {
    if (!worker->done) {
      ++worker;
      continue;
    }
    worker->thread.join();
    worker = workers.erase(worker);
  }
}

int bound_socket(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (code != 0) fail("{}: {}; give an address of this machine", quote(host), ::gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(list, ::freeaddrinfo);
  int error = 0;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const int socket = ::socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC, entry->ai_protocol);
    if (socket < 0) continue;
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket, entry->ai_addr, entry->ai_addrlen) == 0 && ::listen(socket, 128) == 0) return socket;
    error = errno;
    ::close(socket);
  }
  if (error == EADDRINUSE) fail("port {} of {} is in use; --port 0 takes a free one", port, host);
  fail_io(fmt::format("{} port {}", host, port), "listen", error);
}

int port_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  BANTAM_ASSERT(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

Server::Server(std::shared_ptr<const Site> site, const std::string& host, int port)
    : site_(std::move(site)), socket_(bound_socket(host, port)), port_(port_of(socket_)) {}

Server::~Server() { ::close(socket_); }

void Server::run() {
  std::list<Worker> workers;
  while (!cancel_requested()) {
    join_finished(workers);
    pollfd entry{socket_, POLLIN, 0};
    if (::poll(&entry, 1, kTick) <= 0 || workers.size() >= kMaxConnections) continue;
    const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;  // gone again, or no descriptor left: later ones may succeed
    const int on = 1;
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Worker& worker = workers.emplace_back();
    worker.thread = std::thread([&worker, connection, site = site_] {
      serve_connection(connection, *site);
      worker.done = true;
    });
  }
  for (Worker& worker : workers) worker.thread.join();
}

}  // namespace bantam
