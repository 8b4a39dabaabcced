#pragma once

#include <cstdint>

#include "convert/blocks/module.h"

namespace bantam {

// y = x W^T + b as one Gemm over rows: x is [rows, in], the checkpoint's W [out, in] is read as it is
// (transB). The one place that emits linears: quantization finds them as Gemm nodes with transB = 1 whose
// input 1 is a weight.
enum class LinearBias { kNone, kAdd };
ValueId linear(const Module& module, ValueId x, std::int64_t in, std::int64_t out, Role role,
               LinearBias bias = LinearBias::kAdd);
// The same from values that exist already: a tied decoder. kNoValue: without bias.
ValueId linear(const Module& module, ValueId x, ValueId weight, ValueId bias);

// The same where the checkpoint stores W as [in, out] (Conv1D of transformers): the graph reads it
// transposed.
ValueId linear_in_out(const Module& module, ValueId x, std::int64_t in, std::int64_t out, Role role,
                      LinearBias bias = LinearBias::kAdd);

// Rows of a table [rows, width] by integer ids of any shape: a Gather (axis 0) whose input 0 is a weight.
ValueId embedding(const Module& module, ValueId ids, std::int64_t rows, std::int64_t width, Role role);

enum class NormKind {
  kLayerNorm,  // over the last axis, with gain and bias
  kNoNorm,   // x * gain + bias, the normalization that MobileBERT leaves out (arXiv:2004.02984, section 3.3)
  kRmsNorm,  // x * gain / sqrt(mean(x^2) + epsilon) (arXiv:1910.07467)
  kRmsNormPlusOne,  // the same with gain + 1, as Gemma stores it
};
struct Norm {
  NormKind kind = NormKind::kLayerNorm;
  double epsilon = 1e-12;
};
// Gain and bias may have their old names, gamma and beta.
ValueId normalize(const Module& module, ValueId x, std::int64_t width, const Norm& norm);
// Every head of rows [n, heads * size] normalized on its own.
ValueId normalize_heads(const Module& module, ValueId rows, std::int64_t heads, std::int64_t size,
                        const Norm& norm);
// The gain of a norm, [width], as the graph multiplies with it.
ValueId norm_gain(const Module& module, std::int64_t width, NormKind kind);
// normalize(x + residual)
ValueId add_and_normalize(const Module& module, ValueId x, ValueId residual, std::int64_t width,
                          const Norm& norm);

}  // namespace bantam
