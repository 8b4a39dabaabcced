#include "convert/blocks/fused_linear.h"

#include "convert/blocks/derived_source.h"

namespace bantam {

FusedLinear::FusedLinear(const Module& module, std::int64_t in, std::int64_t out, LinearBias bias)
    : module_(module), weight_(module.weights().claim(module.tensor("weight"), {out, in})) {
  if (bias == LinearBias::kAdd) bias_ = module.weights().claim(module.tensor("bias"), {out});
}

ValueId FusedLinear::linear(ValueId x, std::string_view name, std::vector<RowRange> rows, Role role) const {
  const Module part = module_ / name;
  const auto declare = [&](const TensorSourcePtr& whole, std::string_view leaf, Role wanted) {
    TensorSourcePtr source = make_rows_source(part.tensor(leaf), whole, rows);
    std::string declared = source->spec().name;
    return module_.builder().weight(std::move(declared), wanted, std::move(source));
  };
  const ValueId weight = declare(weight_, "weight", role);
  const ValueId bias = bias_ == nullptr ? kNoValue : declare(bias_, "bias", Role::kBias);
  return bantam::linear(part, x, weight, bias);
}

}  // namespace bantam
