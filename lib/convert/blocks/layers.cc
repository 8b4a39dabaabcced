#include "convert/blocks/layers.h"

#include "convert/blocks/derived_source.h"

namespace bantam {

ValueId linear(const Module& module, ValueId x, std::int64_t in, std::int64_t out, Role role,
               LinearBias bias) {
  const ValueId weight = module.weight("weight", {out, in}, role);
  const bool add = bias == LinearBias::kAdd;
  return linear(module, x, weight, add ? module.weight("bias", {out}, Role::kBias) : kNoValue);
}

ValueId linear(const Module& module, ValueId x, ValueId weight, ValueId bias) {
  if (bias == kNoValue) return module.op("Gemm", {x, weight}, {{"transB", std::int64_t{1}}});
  return module.op("Gemm", {x, weight, bias}, {{"transB", std::int64_t{1}}});
}

ValueId linear_in_out(const Module& module, ValueId x, std::int64_t in, std::int64_t out, Role role,
                      LinearBias bias) {
  const ValueId weight = module.weight("weight", {in, out}, role, make_transposed_source);
  const bool add = bias == LinearBias::kAdd;
  return linear(module, x, weight, add ? module.weight("bias", {out}, Role::kBias) : kNoValue);
}

ValueId embedding(const Module& module, ValueId ids, std::int64_t rows, std::int64_t width, Role role) {
  return module.op("Gather", {module.weight("weight", {rows, width}, role), ids});
}

ValueId normalize(const Module& module, ValueId x, std::int64_t width, const Norm& norm) {
  const ValueId gain = norm_gain(module, width, norm.kind);
  if (norm.kind == NormKind::kRmsNorm || norm.kind == NormKind::kRmsNormPlusOne) {
    return module.op("SimplifiedLayerNormalization", {x, gain},
                     {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(norm.epsilon)}});
  }
  const ValueId bias = module.weight({"bias", "beta"}, {width}, Role::kNormBias);
  if (norm.kind == NormKind::kNoNorm) return module.op("Add", {module.op("Mul", {x, gain}), bias});
  return module.op("LayerNormalization", {x, gain, bias},
                   {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(norm.epsilon)}});
}

ValueId normalize_heads(const Module& module, ValueId rows, std::int64_t heads, std::int64_t size,
                        const Norm& norm) {
  GraphBuilder& builder = module.builder();
  const ValueId split = module.op("Reshape", {rows, builder.constant({-1, size})});
  return module.op("Reshape", {normalize(module, split, size, norm), builder.constant({-1, heads * size})});
}

ValueId norm_gain(const Module& module, std::int64_t width, NormKind kind) {
  if (kind != NormKind::kRmsNormPlusOne) return module.weight({"weight", "gamma"}, {width}, Role::kNormGain);
  return module.weight("weight", {width}, Role::kNormGain, make_plus_one_source);
}

ValueId add_and_normalize(const Module& module, ValueId x, ValueId residual, std::int64_t width,
                          const Norm& norm) {
  return normalize(module, module.op("Add", {x, residual}), width, norm);
}

}  // namespace bantam
