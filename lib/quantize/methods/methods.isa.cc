#include "quantize/methods/gptq_lanes.h"
#include "quantize/methods/hqq_lanes.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

constexpr int kHalfLanes = kLanes / 2;
typedef double DoubleLanes __attribute__((vector_size(8 * kHalfLanes), may_alias));
typedef float HalfFloatLanes __attribute__((vector_size(4 * kHalfLanes), may_alias));

inline DoubleLanes load_double(const float* from) {
  HalfFloatLanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return __builtin_convertvector(lanes, DoubleLanes);
}

void eliminate(const float* hessian, const float* triangle, const double* coefficients, std::int64_t panel,
               std::int64_t padded, double* out) {
  const std::int64_t end = panel + kColumnStep;
  for (std::int64_t i = 0; i < end; i += kHalfLanes) {
    for (std::int64_t half = 0; half < kColumnStep; half += 8) {
      DoubleLanes sums[8];
      for (int j = 0; j < 8; ++j) sums[j] = load_double(hessian + (panel + half + j) * padded + i);
      for (std::int64_t k = end; k < padded; ++k) {
        const DoubleLanes row = load_double(triangle + feedback_row(k) + i);
        const double* factors = coefficients + k * kColumnStep + half;
        for (int j = 0; j < 8; ++j) sums[j] -= row * factors[j];
      }
      for (int j = 0; j < 8; ++j) std::memcpy(out + (half + j) * padded + i, &sums[j], sizeof(sums[j]));
    }
  }
}

}  // namespace

extern const MethodKernels kMethodKernels;
const MethodKernels kMethodKernels = {quantize_weighted, quantize_hqq, quantize_gptq, eliminate};

}  // namespace bantam::BANTAM_ISA_NAMESPACE
