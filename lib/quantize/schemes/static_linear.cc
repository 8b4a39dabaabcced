#include "quantize/schemes/static_linear.h"

#include <span>
#include <utility>

#include "graph/builder.h"

namespace bantam {
namespace {

// Every grid has constants of its own, even where two are equal, so that the size of the file does not depend
// on them.
ValueId own_constant(Graph& graph, const std::string& name, TensorData data) {
  const ValueId value = graph.add_value(name, data.dtype);
  graph.constants.push_back({value, std::move(data)});
  return value;
}

}  // namespace

const StaticLinears::Activation& StaticLinears::quantized(ValueId x, ActivationGrid grid,
                                                          const std::string& base) {
  const auto [first, last] = activations_.equal_range(x);
  for (auto known = first; known != last; ++known) {
    if (known->second.grid == grid) return known->second;
  }
  Graph& graph = rewriter_.graph();
  Activation made{grid, kNoValue, kNoValue, kNoValue, kNoValue};
  made.scale = own_constant(graph, base + "/QuantizeLinear_scale",
                            {DType::kF32, {}, bytes_of(std::span(&grid.scale, 1)), {}});
  made.zero_point = own_constant(graph, base + "/QuantizeLinear_zero_point",
                                 {DType::kU8, {}, {static_cast<std::byte>(grid.zero_point)}, {}});
  made.codes = rewriter_.emit(base, "", "QuantizeLinear", {x, made.scale, made.zero_point}, {}, DType::kU8);
  if (format_ == QuantFormat::kQdq) {
    made.floats = rewriter_.emit(base, "", "DequantizeLinear", {made.codes, made.scale, made.zero_point}, {},
                                 DType::kF32);
  }
  return activations_.emplace(x, made)->second;
}

void StaticLinears::emit(const Node& node, ActivationGrid grid, ValueId codes, ValueId scales, ValueId bias) {
  const Activation& x = quantized(node.inputs[0], grid, node.name);
  if (format_ == QuantFormat::kQOperator) {
    rewriter_.emit_into(node.outputs[0], node.name, kMicrosoft, "MatMulIntegerToFloat",
                        {x.codes, codes, x.scale, scales, x.zero_point, kNoValue, bias}, {});
    return;
  }
  const ValueId weight = rewriter_.emit(node.name + "/weight", "", "DequantizeLinear", {codes, scales},
                                        {{"axis", std::int64_t{1}}}, DType::kF32);
  if (bias == kNoValue) {
    rewriter_.emit_into(node.outputs[0], node.name, "", "MatMul", {x.floats, weight}, {});
    return;
  }
  const ValueId product = rewriter_.emit(node.name, "", "MatMul", {x.floats, weight}, {}, DType::kF32);
  const ValueId negated = rewriter_.emit(node.name + "/bias", "", "Neg", {bias}, {}, DType::kF32);
  rewriter_.emit_into(node.outputs[0], node.name, "", "Sub", {product, negated}, {});
}

}  // namespace bantam
