#pragma once

#include <cstdint>

#include "base/isa.h"

namespace bantam {

// The widest vectors of any instruction-set level, in floats.
inline constexpr std::int64_t kMostLanes = 16;
// Columns are padded to a multiple of this: rows of FactorView, and values in scratch memory.
inline constexpr std::int64_t kColumnStep = 16;

constexpr std::int64_t padded_columns(std::int64_t width) {
  return (width + kColumnStep - 1) / kColumnStep * kColumnStep;
}

// The damped Hessian H of a linear's input and its factor, see methods/factor.h.
struct FactorView {
  const float* hessian = nullptr;   // [padded, padded], symmetric; the padding is 0, and 1 on the diagonal
  const float* feedback = nullptr;  // row j, from feedback_row(j): R[i][j] / R[j][j] for i < j
};

// Where row j of a triangle of padded rows begins.
constexpr std::int64_t feedback_row(std::int64_t j) {
  const std::int64_t panel = j / kColumnStep;
  return kColumnStep * (kColumnStep * (panel * (panel + 1) / 2) + (j % kColumnStep) * (panel + 1));
}

// Whole rows to quantize. All values are finite and at most 65504 * 2^(bits-1) in magnitude.
struct MethodTask {
  const float* rows = nullptr;
  std::int64_t row_count = 0;
  std::int64_t width = 0;
  int block_size = 32;  // a power of two, 16 to 256
  int bits = 4;
  bool symmetric = true;
  const float* weights = nullptr;  // [width], positive: what an error in a column costs
  FactorView factor = {};
  int passes = 0;  // of coordinate descent
  // Out. Codes as stored (0 .. 2^bits - 1), [row_count, width]; [row_count, blocks] the others.
  std::uint8_t* codes = nullptr;
  float* scales = nullptr;
  std::uint8_t* zero_points = nullptr;
  float* scratch = nullptr;  // method_scratch(width) floats, aligned to 64 bytes
};

constexpr std::int64_t method_scratch(std::int64_t width) {
  // Values, differences, codes and grids of a lane group, and three blocks; then what aligns them.
  return (3 * padded_columns(width) + 3 * padded_columns(width) / kColumnStep + 768 + 1) * kMostLanes;
}

// The inner loops of the methods, one table per instruction-set level. A row lives in one lane and no sum
// crosses lanes, so that all levels give the same bytes.
struct MethodKernels {
  void (*weighted)(const MethodTask& task);
  void (*hqq)(const MethodTask& task);
  void (*gptq)(const MethodTask& task);
  // One step of factor.cc, for the kColumnStep rows j from `panel` on and all i < panel + kColumnStep:
  // out[j - panel][i] = hessian[j][i] - sum over k >= panel + kColumnStep of row k of `triangle`, at i, times
  // coefficients[k][j - panel]. Rows of `hessian` and `out` are `padded` apart.
  void (*eliminate)(const float* hessian, const float* triangle, const double* coefficients,
                    std::int64_t panel, std::int64_t padded, double* out);
};

const MethodKernels& method_kernels(Isa isa);
const MethodKernels& method_kernels();

}  // namespace bantam
