#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/json.h"

namespace bantam {

// Files that are one JSON value are read whole.
inline constexpr std::int64_t kMaxJsonBytes = std::int64_t{1} << 30;

// The elements of a file that is an array, or an object with an array "data".
std::vector<Json> read_json_rows(const std::filesystem::path& path);

}  // namespace bantam
