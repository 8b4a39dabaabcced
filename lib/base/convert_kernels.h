#pragma once

#include <cstdint>

#include "base/isa.h"

namespace bantam {

// Bulk float conversions, one table per instruction-set level. All levels give the same bits
// (round to nearest, ties to even; NaN as F16C treats it).
struct ConvertKernels {
  void (*fp16_to_float)(const std::uint16_t* in, float* out, std::int64_t count);
  void (*bf16_to_float)(const std::uint16_t* in, float* out, std::int64_t count);
  void (*float_to_fp16)(const float* in, std::uint16_t* out, std::int64_t count);
  void (*float_to_bf16)(const float* in, std::uint16_t* out, std::int64_t count);
  // Largest magnitude; infinity when any value is NaN or infinite. 0 for no values.
  float (*max_abs)(const float* in, std::int64_t count);
};

const ConvertKernels& convert_kernels(Isa isa);
const ConvertKernels& convert_kernels();

}  // namespace bantam
