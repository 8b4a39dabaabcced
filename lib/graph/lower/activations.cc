// Activations of com.microsoft in ONNX's own operators: Gelu is one of opset 20.
#include "graph/lower/lowering.h"

namespace bantam {
namespace {

ValueId biased(Lowering& to, const Node& node) {
  const ValueId bias = input(node, 1);
  return bias == kNoValue ? input(node, 0) : to.op("Add", {input(node, 0), bias});
}

}  // namespace

void lower_gelu(Lowering& to, const Node& node) {
  expect_attributes(node, {});
  to.write(output(node, 0), "Gelu", {input(node, 0)});
}

void lower_bias_gelu(Lowering& to, const Node& node) {
  expect_attributes(node, {});
  to.write(output(node, 0), "Gelu", {biased(to, node)});
}

void lower_fast_gelu(Lowering& to, const Node& node) {
  expect_attributes(node, {});
  to.write(output(node, 0), "Gelu", {biased(to, node)}, {{"approximate", std::string("tanh")}});
}

// x * sigmoid(alpha x)
void lower_quick_gelu(Lowering& to, const Node& node) {
  expect_attributes(node, {"alpha"});
  const ValueId x = input(node, 0);
  const float alpha = real(node, "alpha", 1.702F);
  const ValueId scaled = alpha == 1.0F ? x : to.op("Mul", {x, to.scalar(alpha, x)});
  to.write(output(node, 0), "Mul", {x, to.op("Sigmoid", {scaled})});
}

}  // namespace bantam
