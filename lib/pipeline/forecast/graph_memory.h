#pragma once

#include <cstdint>
#include <string>

#include "graph/graph.h"

namespace bantam {

// What a graph keeps and needs in memory, in bytes; of a planned graph or of an imported one.
struct GraphMemory {
  std::int64_t weights = 0;   // every initializer by itself: those that share bytes in a file are loaded each
  std::int64_t matrices = 0;  // of them, float32 matrices of MatMul and Gemm: kernels pack them once more
  std::int64_t halves = 0;    // of them, float16 that is computed with: CPU kernels want it widened
  std::int64_t copies = 0;    // of int8 matrices with several readers: every MatMulInteger packs its own
  std::string largest_name;   // the largest initializer
  std::int64_t largest = 0;
  std::int64_t scratch = 0;          // the largest matrix that MatMulNBits unpacks to float32 while it runs
  std::int64_t widest = 0;           // columns of the widest matrix product, without that of the vocabulary
  std::int64_t vocabulary = 0;       // columns of a three-dimensional output; 0: none
  std::int64_t cache_per_token = 0;  // of keys and values
};
GraphMemory graph_memory(const Graph& graph);

}  // namespace bantam
