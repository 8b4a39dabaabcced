#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "base/file.h"
#include "graph/tensor_source.h"

namespace bantam {

// A tensor as it lies in memory: exactly spec.bytes() little-endian bytes.
struct SafetensorsTensor {
  TensorSpec spec;
  std::span<const std::byte> bytes;
};

// Writes a safetensors file into `file`, which is empty (format: huggingface/safetensors README). As the
// format's own writer lays it out: wider elements first, then by name, so that every tensor is aligned to its
// element; a header padded to 8 bytes. Error naming the tensor: an element type that the format does not
// have, two tensors of one name, a name that is not UTF-8.
void write_safetensors(const File& file, std::span<const SafetensorsTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace bantam
