#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "graph/tensor_source.h"

namespace bantam {

// An initializer whose bytes lie in another file, as the .onnx file states it: nothing is checked against
// that file.
struct ExternalTensor {
  TensorSpec spec;
  std::string location;
  std::int64_t offset = 0;
  std::int64_t length = 0;  // as stated, else spec.bytes()
};

struct ExternalTensors {
  std::vector<ExternalTensor> tensors;  // in the order of the file
  std::int64_t inline_bytes = 0;        // of initializers that lie in the .onnx file itself
};

// Reads no weight and opens no other file. Errors: what is no ONNX model, types and shapes that make no
// sense, offsets and lengths that are no numbers.
ExternalTensors read_external_tensors(const std::filesystem::path& path);

}  // namespace bantam
