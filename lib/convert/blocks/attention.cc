#include "convert/blocks/attention.h"

#include <cmath>

namespace bantam {
namespace {

ValueId split_heads(const Module& module, TokenInputs& inputs, ValueId rows, const AttentionHeads& heads,
                    std::vector<std::int64_t> order) {
  const ValueId split = module.op("Reshape", {rows, inputs.shape({heads.count, heads.size})});
  return module.op("Transpose", {split}, {{"perm", std::move(order)}});
}

}  // namespace

ValueId attend(const Module& module, TokenInputs& inputs, ValueId q, ValueId k, ValueId v, ValueId bias,
               const AttentionHeads& heads) {
  // Scaling q instead of the scores keeps the products small, which half precision needs.
  const double scale = 1.0 / std::sqrt(static_cast<double>(heads.size));
  const ValueId scaled = module.op("Mul", {q, module.builder().scalar(static_cast<float>(scale))});
  const ValueId query = split_heads(module, inputs, scaled, heads, {0, 2, 1, 3});
  const ValueId key = split_heads(module, inputs, k, heads, {0, 2, 3, 1});
  const ValueId value = split_heads(module, inputs, v, heads, {0, 2, 1, 3});
  const ValueId scores = module.op("Add", {module.op("MatMul", {query, key}), bias});
  const ValueId weights = module.op("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
  const ValueId mixed = module.op("MatMul", {weights, value});
  const ValueId joined = module.op("Transpose", {mixed}, {{"perm", std::vector<std::int64_t>{0, 2, 1, 3}}});
  return by_row(module, joined, heads.width());
}

}  // namespace bantam
