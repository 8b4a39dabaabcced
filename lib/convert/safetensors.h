#pragma once

#include <filesystem>

#include "convert/weight_file.h"

namespace bantam {

// Opens a .safetensors file (format: huggingface/safetensors README). Checks everything that the header
// claims before trusting it: header size, JSON (duplicate keys, depth), dtypes, shapes (overflow), offsets
// (inside the file, no overlap, no gap, exactly shape x element size).
WeightFile open_safetensors(const std::filesystem::path& path);

}  // namespace bantam
