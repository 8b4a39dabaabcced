#pragma once

#include <cstdint>

#include "base/isa.h"

namespace bantam {

// rows[i][j] += scale * (sum over k of left[i][k] * right[k][j]), k ascending, every step rounded to float32.
struct LowRankTask {
  float* rows;         // [row_count, width]
  const float* left;   // [row_count, rank]
  const float* right;  // [rank, width]
  std::int64_t row_count;
  std::int64_t rank;
  std::int64_t width;
  float scale;
};

// One table per instruction-set level. All levels give the same bits, and so does any split into rows.
struct LoraKernels {
  void (*add_low_rank)(const LowRankTask& task);
};

const LoraKernels& lora_kernels(Isa isa);
const LoraKernels& lora_kernels();

}  // namespace bantam
