#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>

#include "base/file.h"

namespace bantam {

// Entity tags (RFC 9110, section 8.8.3) of the files below a folder: "<SHA-256>", so that a copy or another
// conversion of the same bytes has the same tag. The digest is that of SHA256SUMS where that list is younger
// than the file, as it is in a bundle that nobody touched; else it is computed once and kept as long as the
// file's inode and times are the same. Called from several threads at once.
class EntityTags {
 public:
  explicit EntityTags(std::filesystem::path root) : root_(std::move(root)) {}

  struct Tagged {
    std::shared_ptr<const File> file;
    std::string tag;
  };
  // Opens `path`, which is `root`/`name` with its links followed. A file that has changed within the last two
  // seconds, and may again, gets a weak tag: no client puts parts of two versions together by such a tag.
  Tagged open(const std::string& name, const std::filesystem::path& path);

 private:
  // What a file looks like without reading it.
  using Look = std::tuple<std::uint64_t, std::uint64_t, std::int64_t, std::int64_t, std::int64_t>;
  static Look look_at(const std::filesystem::path& path, std::int64_t& changed);
  std::string listed(const std::string& name, std::int64_t changed);
  std::string computed(const std::string& name, const Look& look, const File& file);

  std::filesystem::path root_;
  std::mutex mutex_, hashing_;
  Look sums_look_{};
  std::int64_t sums_changed_ = 0;  // ns since 1970
  std::map<std::string, std::string> sums_;
  std::map<std::string, std::pair<Look, std::string>> computed_;
};

}  // namespace bantam
