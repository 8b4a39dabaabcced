#pragma once

#include <cstdint>

#include "convert/blocks/module.h"

namespace bantam {

// y = x W^T + b as one Gemm over rows: x is [rows, in], the checkpoint's W [out, in] is read as it is
// (transB). The one place that emits linears: quantization finds them as Gemm nodes with transB = 1 whose
// input 1 is a weight.
ValueId linear(const Module& module, ValueId x, std::int64_t in, std::int64_t out, Role role);
// The same from values that exist already: a tied decoder.
ValueId linear(const Module& module, ValueId x, ValueId weight, ValueId bias);

// Rows of a table [rows, width] by integer ids of any shape: a Gather (axis 0) whose input 0 is a weight.
ValueId embedding(const Module& module, ValueId ids, std::int64_t rows, std::int64_t width, Role role);

enum class NormKind {
  kLayerNorm,  // over the last axis, with gain and bias
  kNoNorm,  // x * gain + bias, the normalization that MobileBERT leaves out (arXiv:2004.02984, section 3.3)
};
struct Norm {
  NormKind kind = NormKind::kLayerNorm;
  double epsilon = 1e-12;
};
// Gain and bias may have their old names, gamma and beta.
ValueId normalize(const Module& module, ValueId x, std::int64_t width, const Norm& norm);
// normalize(x + residual)
ValueId add_and_normalize(const Module& module, ValueId x, ValueId residual, std::int64_t width,
                          const Norm& norm);

}  // namespace bantam
