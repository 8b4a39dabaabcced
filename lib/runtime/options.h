#pragma once

#include <cstdint>

namespace bantam {

// How MatMulNBits treats its activations.
enum class NbitsMode : std::uint8_t {
  kAsDeclared,  // accuracy_level 4 of the node rounds activations to int8 per block, anything else computes
                // in float
  kFloat,       // float activations whatever the node says: what onnxruntime-web's wasm does
  kInt8,        // int8 activations whatever the node says: what WebGPU does for accuracy level 4
};

struct SessionOptions {
  int threads = 0;                // 0: all that the process may use
  std::int64_t memory_limit = 0;  // bytes of tensors, weights included; 0: default_memory_limit()
  // Rounds every float32 tensor between nodes to fp16 and clamps weights as a converter does, to find
  // overflows that a float run hides. The fp16 variant of a model needs no emulation: its tensors are fp16.
  bool emulate_fp16 = false;
  NbitsMode nbits = NbitsMode::kAsDeclared;
  // Replaces groups of nodes by faster equivalents. Off: every node runs on its own and an Observer sees them
  // all.
  bool fuse = true;
  // Slow scalar kernels in place of the tuned ones: the oracle of the tests.
  bool reference_kernels = false;
  bool profile = false;
};

}  // namespace bantam
