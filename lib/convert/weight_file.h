#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "graph/tensor_source.h"

namespace bantam {

// A file of named tensors, opened: what it claims is checked, no weight byte is read. Its tensors hold one
// open descriptor together.
struct WeightFile {
  std::int64_t bytes = 0;                // of the whole file
  std::vector<TensorSourcePtr> tensors;  // in order of their bytes
  std::map<std::string, std::string> metadata;
  std::vector<std::string> notes;  // what the user should know
};

// The most tensors that one file may name.
inline constexpr std::size_t kMaxTensors = 1 << 20;
// The most dimensions that a tensor may have.
inline constexpr std::size_t kMaxRank = 64;

// Names go on into graphs, manifests and terminals: Error for control characters and for absurd length.
void check_tensor_name(const std::string& name);

// The first bytes of a file, 512 at most.
std::string read_start(const File& file, std::int64_t size);

// What stands under the name of a weight file more often than a damaged one (Git-LFS pointers, web pages,
// other formats, text) is refused by its name. `expected` is "safetensors" or "a PyTorch file".
void refuse_other_formats(std::string_view start, std::string_view expected);

}  // namespace bantam
