#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/table.h"
#include "command.h"
#include "pipeline/serve/server.h"

namespace bantam {
namespace {

constexpr int kDefaultPort = 8080;

struct Arguments {
  std::filesystem::path bundle;
  std::optional<std::string> host;
  int port = kDefaultPort;
  std::vector<std::string> mounts;
};

// "/lib=./transformers/dist"
void add_mount(Site& site, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || equals + 1 == text.size()) {
    fail_usage("serve: --mount {}: a prefix and a folder were expected, as in /lib=./dist", quote(text));
  }
  site.mount(text.substr(0, equals), text.substr(equals + 1));
}

std::string url(const std::string& host, int port) {
  const bool any = host == "0.0.0.0" || host == "::";
  const std::string shown = any ? "localhost" : host.find(':') != std::string::npos ? "[" + host + "]" : host;
  return fmt::format("http://{}:{}/", shown, port);
}

ExitCode run(const Arguments& arguments, const Console& console) {
  const std::string host = arguments.host.value_or("127.0.0.1");
  if (host.empty()) fail_usage("serve: --host is empty; an address of this machine was expected");
  SiteOptions options;
  // Bound to this machine: also refuse what a foreign name was pointed at it for.
  if (host == "localhost" || host == "::1" || host.starts_with("127."))
    options.hosts = {"127.0.0.1", "localhost", "[::1]"};
  const auto site = std::make_shared<Site>(arguments.bundle, options);
  for (const std::string& mount : arguments.mounts) add_mount(*site, mount);
  Server server(site, host, arguments.port);
  console.print(printable(fmt::format("Serving {} at {} until Ctrl-C", arguments.bundle.string(),
                                      url(host, server.port()))) +
                "\n");
  if (std::fflush(stdout) != 0) fail_io("standard output", "write", errno);
  server.run();
  return ExitCode::kDone;
}

constexpr std::array kExamples{
    UsageExample{"bantam serve ./bundle", "Open http://127.0.0.1:8080/ in a browser."},
    UsageExample{"bantam serve ./bundle --port 0 --mount /lib=./node_modules/@huggingface/transformers/dist",
                 "On a free port, with transformers.js from a local folder below /lib/."},
    UsageExample{"bantam serve ./bundle --host 0.0.0.0",
                 "For other machines too, such as a phone in the same network."},
};

Action declare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.positional("BUNDLE", arguments->bundle, "The folder to serve.",
                     {.completes = Completes::kDirectories});
  options.add(
      "--host ADDRESS", arguments->host,
      "Listen on this address instead of 127.0.0.1. Then whoever reaches this machine can read the folder.");
  options.add("--port N", arguments->port, "Default: 8080. 0: a free one, which is printed.",
              {.min = 0, .max = 65535});
  options.add("--mount LIST", arguments->mounts, "Further folders below prefixes: /lib=DIR.");
  return [arguments](const Console& console) { return run(*arguments, console); };
}

}  // namespace

extern const Command serve_command;
constinit const Command serve_command{
    .name = "serve",
    .summary = "serve a bundle to browsers on this machine",
    .description =
        "A web server for one folder, with what models in browsers need and static servers often lack: the headers that allow "
        "WebAssembly threads (COOP, COEP, CORP), byte ranges for loaders that resume, the types of .mjs and .wasm, "
        "every file's SHA-256 as its entity tag so that a changed file is never served stale, precompressed twins to browsers that "
        "accept them, and plain 404s: a page that answers for a missing file is what breaks loaders.\n\n"
        "It listens on 127.0.0.1 alone unless --host says otherwise, answers GET and HEAD, and never leaves its folders, by "
        "\"..\" or by links. Ctrl-C ends it.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam
