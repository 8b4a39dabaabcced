#include <array>
#include <variant>

#include "pipeline/verify/op_support.h"

namespace bantam {
namespace {

// What an operator's outputs are where they are not what its first input is. Input -1: `fixed`.
struct TypeRule {
  std::string_view type;
  int like;                          // output 0 has the type of this input
  DType fixed;                       // like is -1
  DType second = DType::kUndefined;  // output 1, where it differs from output 0
};
constexpr std::array<TypeRule, 33> kRules = {{
    {"Shape", -1, DType::kI64},
    {"Size", -1, DType::kI64},
    {"NonZero", -1, DType::kI64},
    {"ArgMax", -1, DType::kI64},
    {"ArgMin", -1, DType::kI64},
    {"TopK", 0, DType::kUndefined, DType::kI64},
    {"Equal", -1, DType::kBool},
    {"Less", -1, DType::kBool},
    {"Greater", -1, DType::kBool},
    {"LessOrEqual", -1, DType::kBool},
    {"GreaterOrEqual", -1, DType::kBool},
    {"And", -1, DType::kBool},
    {"Or", -1, DType::kBool},
    {"Xor", -1, DType::kBool},
    {"Not", -1, DType::kBool},
    {"IsNaN", -1, DType::kBool},
    {"IsInf", -1, DType::kBool},
    {"Where", 1, DType::kUndefined},
    {"OneHot", 2, DType::kUndefined},
    {"DynamicQuantizeLinear", -1, DType::kU8, DType::kF32},
    {"MatMulInteger", -1, DType::kI32},
    {"ConvInteger", -1, DType::kI32},
    {"QuantizeLinear", 2, DType::kUndefined},
    {"DequantizeLinear", 1, DType::kUndefined},
    {"DynamicQuantizeMatMul", -1, DType::kF32},
    {"MatMulIntegerToFloat", -1, DType::kF32},
    {"GatherBlockQuantized", 2, DType::kUndefined},
    {"EmbedLayerNormalization", 2, DType::kUndefined, DType::kI32},
    {"QLinearMatMul", 7, DType::kUndefined},
    {"QLinearConv", 7, DType::kUndefined},
    {"QAttention", -1, DType::kF32},
    {"MaxPool", 0, DType::kUndefined, DType::kI64},
    {"Dropout", 0, DType::kUndefined, DType::kBool},
}};

const TypeRule* find_rule(std::string_view type) {
  for (const TypeRule& rule : kRules) {
    if (rule.type == type) return &rule;
  }
  return nullptr;
}

DType type_at(const Node& node, std::span<const DType> types, std::size_t input) {
  if (input >= node.inputs.size() || node.inputs[input] == kNoValue) return DType::kUndefined;
  return types[static_cast<std::size_t>(node.inputs[input])];
}

DType stated_type(const Node& node) {
  if (node.type == "Cast") {
    const Attribute* to = node.find("to");
    const auto* code = to == nullptr ? nullptr : std::get_if<std::int64_t>(&to->value);
    return code == nullptr ? DType::kUndefined
                           : dtype_from_onnx(static_cast<int>(*code)).value_or(DType::kUndefined);
  }
  const Attribute* value = node.find("value");
  const auto* tensor = value == nullptr ? nullptr : std::get_if<TensorData>(&value->value);
  return tensor == nullptr ? DType::kF32 : tensor->dtype;  // ConstantOfShape gives float zeros by default
}

}  // namespace

DType output_type(const Node& node, std::span<const DType> types) {
  if (node.type == "Cast" || node.type == "ConstantOfShape") return stated_type(node);
  const TypeRule* rule = find_rule(node.type);
  if (rule == nullptr) return type_at(node, types, 0);
  if (rule->like < 0) return rule->fixed;
  const DType like = type_at(node, types, static_cast<std::size_t>(rule->like));
  return like == DType::kUndefined && node.type == "QuantizeLinear" ? DType::kU8 : like;
}

std::vector<DType> value_types(const Graph& graph) {
  std::vector<DType> types;
  for (const Value& value : graph.values) types.push_back(value.dtype);
  for (const Node& node : graph.nodes) {  // in topological order
    const TypeRule* rule = find_rule(node.type);
    const DType first = output_type(node, types);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      DType& type = types[static_cast<std::size_t>(node.outputs[i])];
      if (type != DType::kUndefined) continue;
      const bool differs = i == 1 && rule != nullptr && rule->second != DType::kUndefined;
      type = differs ? rule->second : first;
    }
  }
  return types;
}

DType deciding_type(const Node& node, std::span<const DType> types) {
  if (node.type == "ConstantOfShape") return stated_type(node);
  if (node.type == "Where") return type_at(node, types, 1);
  if (node.type == "GatherBlockQuantized" || node.type == "EmbedLayerNormalization")
    return type_at(node, types, 2);
  return type_at(node, types, 0);
}

}  // namespace bantam
