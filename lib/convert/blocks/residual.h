#pragma once

#include "convert/blocks/layers.h"

namespace bantam {

// The sum that every layer of a pre-norm transformer adds to, rows [n, width]. Adding is left to the next
// normalization, which does both at once (SkipLayerNormalization, SkipSimplifiedLayerNormalization). The sums
// stay float32 in half-precision variants: trained models have elements that grow from layer to layer.
class Residual {
 public:
  explicit Residual(ValueId x) : sum_(x) {}

  void add(const Module& module, ValueId delta);
  // The norm of the sum so far.
  ValueId normalize(const Module& norm_module, std::int64_t width, const Norm& norm);

 private:
  ValueId sum_;
  ValueId pending_ = kNoValue;
};

}  // namespace bantam
