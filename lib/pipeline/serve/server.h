#pragma once

#include <memory>
#include <string>

#include "pipeline/serve/site.h"

namespace bantam {

// A listening socket that answers HTTP/1.1 for a Site, one thread per connection. Written here rather than taken from a
// library: files and ranges are all it does, and the binary needs nothing but the C library.
class Server {
 public:
  // `host`: an address or a name ("127.0.0.1", "0.0.0.0", "::1"). Port 0: a free one. Error: cannot be had, in use.
  Server(std::shared_ptr<const Site> site, const std::string& host, int port);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const { return port_; }

  // Answers until cancel_requested() (base/parallel.h); then lets no new connection in, ends those that are open, and
  // returns.
  void run();

 private:
  std::shared_ptr<const Site> site_;
  int socket_ = -1;
  int port_ = 0;
};

}  // namespace bantam
