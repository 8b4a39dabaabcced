#pragma once

#include <map>
#include <string>

#include "quantize/schemes/rewriter.h"
#include "quantize/static_ranges.h"

namespace bantam {

// Writes linears of static INT8: activations u8 with one scale and zero point from calibration, weights s8
// with one scale per output, int32 sums, float results. Results are never quantized: residual sums stay
// float.
class StaticLinears {
 public:
  StaticLinears(Rewriter& rewriter, QuantFormat format) : rewriter_(rewriter), format_(format) {}

  // In place of `node`, a Gemm: `codes` int8 [in, out], `scales` float32 [out]; `bias` may be kNoValue.
  //
  // QDQ is QuantizeLinear, DequantizeLinear, MatMul with a DequantizeLinear of the weight, and the bias,
  // subtracted negated: onnxruntime would fold an Add into a Gemm before it looks for quantized products, and
  // compute in float (onnxruntime 1.31, MatMulAddFusion). So it becomes MatMulIntegerToFloat. x - (-b) is x +
  // b, bit for bit.
  void emit(const Node& node, ActivationGrid grid, ValueId codes, ValueId scales, ValueId bias);

 private:
  // What linears that read one activation on one grid share.
  struct Activation {
    ActivationGrid grid;
    ValueId codes, scale, zero_point, floats;
  };
  const Activation& quantized(ValueId x, ActivationGrid grid, const std::string& base);

  Rewriter& rewriter_;
  QuantFormat format_;
  std::multimap<ValueId, Activation> activations_;
};

}  // namespace bantam
