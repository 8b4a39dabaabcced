// Compiled once per instruction-set level (BANTAM_ISA_NAMESPACE). Only internal linkage besides the table.
#include <cstdint>

#include "quantize/canonical/kernels.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

constexpr int kSums = 8;

double squares(const float* row, const double* factors, std::int64_t count) {
  double sums[kSums] = {};
  std::int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (int lane = 0; lane < kSums; ++lane) {
      const double value = static_cast<double>(row[i + lane]) * factors[i + lane];
      sums[lane] += value * value;
    }
  }
  for (int lane = 0; i < count; ++i, ++lane) {
    const double value = static_cast<double>(row[i]) * factors[i];
    sums[lane] += value * value;
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

void add_squares(const float* row, const double* factors, double weight, double* sums, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double value = static_cast<double>(row[i]) * factors[i];
    sums[i] += value * value * weight;
  }
}

void scale(float* row, const double* factors, double factor, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i)
    row[i] = static_cast<float>(static_cast<double>(row[i]) * (factors[i] * factor));
}

}  // namespace

extern const ScalingKernels kScalingKernels;
const ScalingKernels kScalingKernels = {squares, add_squares, scale};

}  // namespace bantam::BANTAM_ISA_NAMESPACE
