#include "convert/blocks/layers.h"

namespace bantam {

ValueId linear(const Module& module, ValueId x, std::int64_t in, std::int64_t out, Role role) {
  const ValueId weight = module.weight("weight", {out, in}, role);
  return linear(module, x, weight, module.weight("bias", {out}, Role::kBias));
}

ValueId linear(const Module& module, ValueId x, ValueId weight, ValueId bias) {
  return module.op("Gemm", {x, weight, bias}, {{"transB", std::int64_t{1}}});
}

ValueId embedding(const Module& module, ValueId ids, std::int64_t rows, std::int64_t width, Role role) {
  return module.op("Gather", {module.weight("weight", {rows, width}, role), ids});
}

ValueId normalize(const Module& module, ValueId x, std::int64_t width, const Norm& norm) {
  const ValueId gain = module.weight({"weight", "gamma"}, {width}, Role::kNormGain);
  const ValueId bias = module.weight({"bias", "beta"}, {width}, Role::kNormBias);
  if (norm.kind == NormKind::kNoNorm) return module.op("Add", {module.op("Mul", {x, gain}), bias});
  return module.op("LayerNormalization", {x, gain, bias},
                   {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(norm.epsilon)}});
}

ValueId add_and_normalize(const Module& module, ValueId x, ValueId residual, std::int64_t width,
                          const Norm& norm) {
  return normalize(module, module.op("Add", {x, residual}), width, norm);
}

}  // namespace bantam
