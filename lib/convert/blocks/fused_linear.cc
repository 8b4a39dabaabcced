#include "convert/blocks/fused_linear.h"

#include "convert/blocks/derived_source.h"

namespace bantam {

FusedLinear::FusedLinear(const Module& module, std::int64_t in, std::int64_t out, LinearBias bias,
                         WeightLayout layout)
    : module_(module) {
  const bool turned = layout == WeightLayout::kInOut;
  const Shape stored = turned ? Shape{in, out} : Shape{out, in};
  weight_ = module.weights().claim(module.tensor("weight"), stored);
  if (turned) weight_ = make_transposed_source(weight_);
  if (bias == LinearBias::kAdd) bias_ = module.weights().claim(module.tensor("bias"), {out});
}

ValueId FusedLinear::linear(ValueId x, std::string_view name, std::vector<RowRange> rows, Role role) const {
  const Module part = module_ / name;
  const auto declare = [&](const TensorSourcePtr& whole, Role wanted) {
    std::string own = whole->spec().name;
    own.insert(own.rfind('.') + 1, std::string(name) + ".");
    TensorSourcePtr source = make_rows_source(std::move(own), whole, rows);
    std::string declared = source->spec().name;
    return module_.builder().weight(std::move(declared), wanted, std::move(source));
  };
  const ValueId weight = declare(weight_, role);
  const ValueId bias = bias_ == nullptr ? kNoValue : declare(bias_, Role::kBias);
  return bantam::linear(part, x, weight, bias);
}

}  // namespace bantam
