#include "pipeline/serve/site.h"

#include <algorithm>

#include "base/error.h"
#include "pipeline/serve/http_headers.h"
#include "pipeline/serve/media_type.h"
#include "shard/compress.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

// The names that a server gives to files; of what came in as a path, without the first '/'.
bool is_plain_name(std::string_view name) {
  if (name.find('\\') != name.npos || name.find('\0') != name.npos) return false;
  std::size_t begin = 0;
  while (begin <= name.size()) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

// "localhost:8000", "[::1]:8000" -> the name alone.
std::string host_name(const std::string& host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

std::string HttpRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

HttpAnswer plain_answer(int status, std::string text) {
  HttpAnswer answer;
  answer.status = status;
  answer.headers = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}};
  answer.text = std::move(text) + "\n";
  return answer;
}

Site::Folder Site::open_folder(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    fail("{}: {}", path.string(), fs::exists(path, error) ? "is not a folder" : "does not exist");
  }
  const fs::path root = fs::canonical(path);
  return {root, std::make_unique<EntityTags>(root)};
}

Site::Site(const fs::path& root, SiteOptions options) : options_(std::move(options)) {
  folders_.emplace("", open_folder(root));
}

void Site::mount(std::string prefix, const fs::path& folder) {
  while (prefix.ends_with('/')) prefix.pop_back();
  if (!prefix.starts_with('/') || !is_plain_name(std::string_view(prefix).substr(1))) {
    fail("{} is no prefix of URLs; it looks like /lib", quote(prefix));
  }
  if (!folders_.emplace(prefix, open_folder(folder)).second) fail("{} is mounted twice", quote(prefix));
}

std::optional<fs::path> Site::find(const Folder& folder, const std::string& name) {
  if (!is_plain_name(name)) return std::nullopt;
  std::error_code error;
  const fs::path path = fs::canonical(folder.root / name, error);  // links are followed, and must stay inside
  if (error || !fs::is_regular_file(path, error)) return std::nullopt;
  const bool inside = std::mismatch(folder.root.begin(), folder.root.end(), path.begin(), path.end()).first ==
                      folder.root.end();
  return inside ? std::optional(path) : std::nullopt;
}

HttpAnswer Site::send(const HttpRequest& request, const Folder& folder, const std::string& name) const {
  std::string sent = name;
  std::optional<fs::path> path = find(folder, name);
  if (!path) return plain_answer(404, "There is no " + quote(name) + " here.");
  HttpAnswer answer;
  const std::string range_header = request.header("range");
  bool has_twin = false;
  for (const Compression& compression : compressions()) {
    std::string twin = name + std::string(compression.extension);
    std::optional<fs::path> twin_path = find(folder, twin);
    if (!twin_path) continue;
    has_twin = true;
    if (sent != name || !range_header.empty() ||
        !accepts_coding(request.header("accept-encoding"), compression.name))
      continue;
    sent = std::move(twin);
    path = std::move(twin_path);
    answer.headers.emplace_back("Content-Encoding", compression.name);
  }
  const EntityTags::Tagged found = folder.tags->open(sent, *path);
  if (has_twin) answer.headers.emplace_back("Vary", "Accept-Encoding");
  answer.headers.emplace_back("Content-Type", media_type(name));
  answer.headers.emplace_back("ETag", found.tag);
  answer.headers.emplace_back("Cache-Control", "no-cache");  // kept, and asked for again by its tag
  answer.headers.emplace_back("Accept-Ranges", "bytes");
  if (matches_tag(request.header("if-none-match"), found.tag)) {
    answer.status = 304;
    answer.length = found.file->size();
    return answer;
  }
  answer.file = found.file;
  answer.length = found.file->size();
  // A part of another version than the client has would make a mixture.
  const std::string if_range = request.header("if-range");
  if (range_header.empty() || (!if_range.empty() && (if_range != found.tag || found.tag.starts_with("W/"))))
    return answer;
  ByteRange64 range;
  switch (parse_byte_range(range_header, found.file->size(), range)) {
    case RangeKind::kWhole:
      return answer;
    case RangeKind::kUnsatisfiable:
      answer = plain_answer(416, "The file ends before that range.");
      answer.headers.emplace_back("Content-Range", fmt::format("bytes */{}", found.file->size()));
      return answer;
    case RangeKind::kPart:
      answer.status = 206;
      answer.offset = range.begin;
      answer.length = range.end - range.begin;
      answer.headers.emplace_back(
          "Content-Range", fmt::format("bytes {}-{}/{}", range.begin, range.end - 1, found.file->size()));
      return answer;
  }
  BANTAM_ASSERT(false);
}

HttpAnswer Site::find_answer(const HttpRequest& request) const {
  if (!request.path.starts_with('/')) return plain_answer(400, "That is no request for a file.");
  const std::string host = host_name(request.header("host"));
  if (!options_.hosts.empty() && std::ranges::find(options_.hosts, host) == options_.hosts.end()) {
    return plain_answer(403, "This server answers to " + options_.hosts.front() + " alone.");
  }
  if (request.method != "GET" && request.method != "HEAD") {
    HttpAnswer answer = plain_answer(405, "Only GET and HEAD are served.");
    answer.headers.emplace_back("Allow", "GET, HEAD");
    return answer;
  }
  const Folder* folder = &folders_.at("");
  std::string name = request.path.substr(1);
  for (const auto& [prefix, mounted] : folders_) {  // longer ones come later
    if (prefix.empty() || !request.path.starts_with(prefix + "/")) continue;
    folder = &mounted;
    name = request.path.substr(prefix.size() + 1);
  }
  if (name.empty() || name.ends_with('/')) name += "index.html";
  return send(request, *folder, name);
}

HttpAnswer Site::answer(const HttpRequest& request) const {
  HttpAnswer answer = find_answer(request);
  add_policies(answer);
  return answer;
}

void Site::add_policies(HttpAnswer& answer) {
  answer.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  answer.headers.emplace_back("Cross-Origin-Embedder-Policy", "require-corp");
  answer.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  answer.headers.emplace_back("X-Content-Type-Options", "nosniff");
}

}  // namespace bantam
