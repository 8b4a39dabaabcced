#include "convert/blocks/residual.h"

#include "base/error.h"

namespace bantam {

void Residual::add(const Module& module, ValueId delta) {
  pending_ = pending_ == kNoValue ? delta : module.op("Add", {pending_, delta});
}

ValueId Residual::normalize(const Module& norm_module, std::int64_t width, const Norm& norm) {
  if (pending_ == kNoValue) return bantam::normalize(norm_module, sum_, width, norm);
  BANTAM_ASSERT(norm.kind != NormKind::kNoNorm);
  const ValueId gain = norm_gain(norm_module, width, norm.kind);
  const std::vector<Attribute> attributes = {{"epsilon", static_cast<float>(norm.epsilon)}};
  const std::initializer_list<bool> wanted = {true, false, false, true};
  std::vector<ValueId> outputs;
  if (norm.kind == NormKind::kLayerNorm) {
    const ValueId bias = norm_module.weight({"bias", "beta"}, {width}, Role::kNormBias);
    outputs = norm_module.op_some("SkipLayerNormalization", {sum_, pending_, gain, bias}, wanted, attributes,
                                  kMicrosoft);
  } else {
    outputs = norm_module.op_some("SkipSimplifiedLayerNormalization", {sum_, pending_, gain}, wanted,
                                  attributes, kMicrosoft);
  }
  sum_ = outputs[3];
  norm_module.builder().graph().value(sum_).precision = Precision::kFloat32;
  pending_ = kNoValue;
  return outputs[0];
}

}  // namespace bantam
