#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"

namespace bantam {

struct FileDigests {
  std::string sha256;
  std::string md5;
};

// SHA-256 and MD5 of whole files, in lower-case hex, several files at a time; constant memory per thread.
std::vector<FileDigests> digest_files(std::span<const std::filesystem::path> paths, int threads, Progress& progress);

}  // namespace bantam
