#pragma once

#include <memory>
#include <string>

#include "pipeline/serve/site.h"

namespace bantam {

// A listening socket that answers HTTP/1.1 for a Site by means of cpp-httplib, which does sockets, threads
// and the syntax of requests; ranges, tags and codings are the Site's. One request per connection: nothing is
// held by idle ones.
class Server {
 public:
  // `host`: an address or a name ("127.0.0.1", "0.0.0.0", "::1"). Port 0: a free one. Error: cannot be had,
  // in use.
  Server(std::shared_ptr<const Site> site, const std::string& host, int port);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const;

  // Answers until cancel_requested() (base/parallel.h); then lets no new connection in, ends those that are
  // open, and returns. Error: the system takes the listening socket away.
  void run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bantam
