#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"

namespace bantam {

// A file inside a zip archive, stored without compression.
struct ZipMember {
  std::string name;
  std::int64_t offset = 0;  // of its first byte in the archive
  std::int64_t bytes = 0;
};

// The members of a zip archive (APPNOTE.TXT 6.3.10, with zip64), in order of their bytes, as torch.save
// writes it: stored, not encrypted, one disk, nothing before the first member. Reads the central directory
// and the local headers, no member. Every member lies inside the file, before the directory, apart from the
// others, under one name. Directories are left out. At most 64 MiB of directory and 2^20 members.
std::vector<ZipMember> read_zip_members(const File& file);

}  // namespace bantam
