#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "graph/tensor_source.h"

namespace bantam {

struct SafetensorsFile {
  std::int64_t bytes = 0;                // of the whole file
  std::vector<TensorSourcePtr> tensors;  // in order of their bytes
  std::map<std::string, std::string> metadata;
};

// Opens a .safetensors file (format: huggingface/safetensors README). Checks everything that the header
// claims before trusting it: header size, JSON (duplicate keys, depth), dtypes, shapes (overflow), offsets
// (inside the file, no overlap, no gap, exactly shape x element size). Holds one open descriptor; reads no
// weight byte.
SafetensorsFile open_safetensors(const std::filesystem::path& path);

}  // namespace bantam
