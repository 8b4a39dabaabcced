#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "pipeline/serve/entity_tags.h"

namespace bantam {

// What a server of files needs of a request's head.
struct HttpRequest {
  std::string method;                          // "GET"
  std::string path;                            // decoded, without query: "/onnx/model.onnx"
  std::map<std::string, std::string> headers;  // names in lower case; repeated ones joined by ", "

  std::string header(const std::string& name) const;  // empty: absent
};

// What is sent back: either `text`, or bytes of `file`.
struct HttpAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;  // without Content-Length, Date and Connection
  std::string text;
  std::shared_ptr<const File> file;  // null: `text`
  std::int64_t offset = 0, length = 0;
};

struct SiteOptions {
  // Where requests may come from by their Host header: a page of another name that was made to resolve to
  // this machine cannot read what is served to it. Empty: any.
  std::vector<std::string> hosts;
};

// Folders as a web site: a bundle at "/", and others below prefixes. Answers from several threads at once.
//
// Files are answered with the headers that WebAssembly threads need (COOP, COEP, CORP), with their SHA-256 as
// entity tag, with byte ranges, and as their precompressed twin (*.zst, *.gz) where the browser accepts it
// and asks for no range. No answer leads out of a folder, by ".." or by a link. Errors are plain text, so
// that nobody takes a page for a model.
class Site {
 public:
  Site(const std::filesystem::path& root, SiteOptions options);
  // `prefix` begins with '/': "/lib". The longest prefix wins. Error: not a folder, a prefix that is taken or
  // no path.
  void mount(std::string prefix, const std::filesystem::path& folder);

  HttpAnswer answer(const HttpRequest& request) const;
  // Adds the headers that every answer has, whatever its status.
  static void add_policies(HttpAnswer& answer);

 private:
  struct Folder {
    std::filesystem::path root;  // canonical
    std::unique_ptr<EntityTags> tags;
  };

  HttpAnswer find_answer(const HttpRequest& request) const;
  // The file of that name, its links followed; nothing where there is none, or it lies outside.
  static std::optional<std::filesystem::path> find(const Folder& folder, const std::string& name);
  HttpAnswer send(const HttpRequest& request, const Folder& folder, const std::string& name) const;
  static Folder open_folder(const std::filesystem::path& path);

  SiteOptions options_;
  std::map<std::string, Folder> folders_;  // by prefix without '/' at its end; "" is the root
};

// An answer in plain text.
HttpAnswer plain_answer(int status, std::string text);

}  // namespace bantam
