#include <algorithm>
#include <array>

#include "base/error.h"
#include "pipeline/verify/checks.h"
#include "pipeline/verify/op_support.h"

namespace bantam {
namespace {

// Operators of ai.onnx whose inputs, from the first one on, have one element type: onnxruntime makes no
// session of a graph that mixes them. The native runtime computes in float32 and would not notice.
constexpr std::array<std::string_view, 25> kUniform = {"Add",
                                                       "Sub",
                                                       "Mul",
                                                       "Div",
                                                       "MatMul",
                                                       "Gemm",
                                                       "Concat",
                                                       "Max",
                                                       "Min",
                                                       "Mean",
                                                       "Sum",
                                                       "PRelu",
                                                       "Mod",
                                                       "Equal",
                                                       "Less",
                                                       "Greater",
                                                       "LessOrEqual",
                                                       "GreaterOrEqual",
                                                       "And",
                                                       "Or",
                                                       "Xor",
                                                       "BatchNormalization",
                                                       "InstanceNormalization",
                                                       "Conv",
                                                       "LayerNormalization"};
// Operators whose output has the type of their first input.
constexpr std::array<std::string_view, 22> kLikeFirst = {
    "Identity", "Reshape", "Transpose",  "Squeeze", "Unsqueeze",  "Slice", "Gather",  "Expand",
    "Flatten",  "Softmax", "LogSoftmax", "Relu",    "Gelu",       "Tanh",  "Sigmoid", "Erf",
    "Sqrt",     "Neg",     "Abs",        "Exp",     "ReduceMean", "Split"};

// The inputs of a node that have one type.
std::span<const ValueId> uniform_inputs(const Node& node) {
  if (!node.domain.empty()) return {};
  const std::span<const ValueId> inputs(node.inputs);
  if (node.type == "Where" && inputs.size() == 3) return inputs.subspan(1);
  return std::ranges::find(kUniform, node.type) == kUniform.end() ? std::span<const ValueId>() : inputs;
}

// What a node's output is declared as where that is not what comes out of it.
void check_declared(Verification& verification, const SessionGraph& graph, const Node& node,
                    std::span<const DType> types) {
  if (node.outputs.empty() || node.outputs.front() == kNoValue) return;
  const bool like_first = node.domain.empty() && std::ranges::find(kLikeFirst, node.type) != kLikeFirst.end();
  if (uniform_inputs(node).empty() && !like_first && node.type != "Cast") return;
  const Value& output = graph.graph->value(node.outputs.front());
  const DType made = output_type(node, types);
  if (output.dtype == DType::kUndefined || made == DType::kUndefined || made == output.dtype) return;
  verification.findings.error(graph.file, "{} is declared as {} where {} gives {}", quote(output.name),
                              name(output.dtype), quote(node.name), name(made));
}

void check_graph(Verification& verification, const SessionGraph& graph) {
  const std::vector<DType> types = value_types(*graph.graph);
  for (const Node& node : graph.graph->nodes) {
    DType first = DType::kUndefined;
    for (const ValueId input : uniform_inputs(node)) {
      if (input == kNoValue) continue;
      const DType type = types[static_cast<std::size_t>(input)];
      if (first == DType::kUndefined) first = type;
      if (type == DType::kUndefined || type == first) continue;
      verification.findings.error(graph.file, "{} ({}) mixes {} and {}: onnxruntime makes no session of it",
                                  quote(node.name), node.type, name(first), name(type));
      return;  // what comes of it is not known
    }
    check_declared(verification, graph, node, types);
  }
}

}  // namespace

void check_types(Verification& verification) {
  for (const SessionGraph& graph : verification.bundle.graphs) {
    if (graph.graph) check_graph(verification, graph);
  }
}

}  // namespace bantam
