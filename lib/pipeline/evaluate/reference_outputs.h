#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "convert/safetensors.h"
#include "runtime/session.h"

namespace bantam {

// Outputs that were made elsewhere (PyTorch, onnxruntime) for the texts that are evaluated, in a safetensors
// file of float tensors. Sequences count from 0 over all examples in their order (an example of two texts has
// two, one after the other). An output is stored either
//   stacked:  "logits" [sequences, ...]; where the second dimension is tokens, padded on the right, or
//   apart:    "logits.0", "logits.1", ...: one tensor per sequence, with or without a leading 1.
class ReferenceOutputs {
 public:
  // `outputs`: those of the graph that the file must hold.
  ReferenceOutputs(const std::filesystem::path& path, std::vector<IoSpec> outputs);

  // The outputs of one sequence, as a session returns them for a batch of one; `like` has their shapes.
  Tensors sequence(std::int64_t index, const Tensors& like) const;

 private:
  std::filesystem::path path_;
  std::vector<IoSpec> outputs_;
  std::map<std::string, TensorSourcePtr> tensors_;
};

}  // namespace bantam
