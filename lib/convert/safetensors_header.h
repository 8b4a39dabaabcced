#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "graph/tensor_source.h"

namespace bantam {

// The format's own limit on the JSON header.
inline constexpr std::int64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsEntry {
  TensorSpec spec;
  std::int64_t begin = 0;  // from the first byte after the header
  std::int64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in order of their bytes
  std::map<std::string, std::string> metadata;
};

// Reads the JSON header of a safetensors file whose tensors take `data_bytes` bytes after it, and checks
// every claim: the entries tile those bytes exactly, each by shape x element size. Memory stays within a
// small multiple of the text, whatever stands in it. Errors name the tensor.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::int64_t data_bytes);

}  // namespace bantam
