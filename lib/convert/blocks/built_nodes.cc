#include "convert/blocks/built_nodes.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace bantam {

const Node& producer_of(const Graph& graph, ValueId value) {
  const auto found = std::find_if(graph.nodes.rbegin(), graph.nodes.rend(), [&](const Node& node) {
    return std::ranges::find(node.outputs, value) != node.outputs.end();
  });
  BANTAM_ASSERT(found != graph.nodes.rend());
  return *found;
}

ValueId unscaled(const Graph& graph, ValueId value) {
  const Node& node = producer_of(graph, value);
  if (node.type == "Gemm") return value;
  const auto constant = [&](ValueId id) {
    return std::ranges::find(graph.constants, id, &Constant::value) != graph.constants.end();
  };
  return node.type == "Mul" && constant(node.inputs[1]) ? unscaled(graph, node.inputs[0]) : kNoValue;
}

const Node& linear_of(const Graph& graph, ValueId output) {
  const Node& node = producer_of(graph, output);
  BANTAM_ASSERT(node.type == "Gemm");
  return node;
}

const Weight& weight_of(const Graph& graph, ValueId value) {
  const auto found = std::ranges::find_if(
      graph.weights, [&](const Weight& weight) { return weight.parts.at(0).values.at(0) == value; });
  BANTAM_ASSERT(found != graph.weights.end());
  return *found;
}

Weight& weight_of(Graph& graph, ValueId value) {
  return const_cast<Weight&>(weight_of(std::as_const(graph), value));
}

}  // namespace bantam
