#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"

namespace bantam {

// Files that are longer have a SHA-256 for each part of this size too, so that a download can be checked
// while it arrives and what is wrong asked for again alone. Small, since what is lost with a broken page is
// up to one part per connection.
inline constexpr std::int64_t kDigestChunk = std::int64_t{1} << 20;

struct FileDigests {
  std::string sha256;
  std::string md5;
  std::vector<std::string>
      chunks;  // SHA-256 of each kDigestChunk bytes and of the rest; empty for shorter files
};

// How many chunks a file of `bytes` bytes has.
std::int64_t chunk_count(std::int64_t bytes);

// SHA-256 and MD5 of whole files, in lower-case hex, several files at a time; constant memory per thread.
std::vector<FileDigests> digest_files(std::span<const std::filesystem::path> paths, int threads,
                                      Progress& progress);

}  // namespace bantam
