#pragma once

#include <cstdint>

#include "base/isa.h"

namespace bantam {

// Loops over one row of a weight and the factors of its columns, one table per instruction-set level. All
// levels give the same bits: sums run in eight fixed lanes, and nothing is contracted.
struct ScalingKernels {
  // Sum of (row[i] * factors[i])^2.
  double (*squares)(const float* row, const double* factors, std::int64_t count);
  // sums[i] += (row[i] * factors[i])^2 * weight
  void (*add_squares)(const float* row, const double* factors, double weight, double* sums,
                      std::int64_t count);
  // row[i] = row[i] * (factors[i] * factor), rounded to float once
  void (*scale)(float* row, const double* factors, double factor, std::int64_t count);
};

const ScalingKernels& scaling_kernels(Isa isa);
const ScalingKernels& scaling_kernels();

}  // namespace bantam
