#include "graph/lower/lowering.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/float16.h"

namespace bantam {

Lowering::Lowering(Graph& graph, std::vector<Node> nodes, const std::vector<bool>& replaced,
                   Operators allowed)
    : nodes_(std::move(nodes)),
      builder_(graph),
      weights_(graph, nodes_, replaced, allowed == Operators::kWeb122) {
  for (const Node& node : nodes_) {
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) producers_[id] = &node;
    }
  }
}

ValueId Lowering::op(std::string_view type, std::initializer_list<ValueId> inputs,
                     std::vector<Attribute> attributes, DType dtype) {
  return builder_.op(type, inputs, std::move(attributes), dtype);
}

void Lowering::write(ValueId target, std::string_view type, std::initializer_list<ValueId> inputs,
                     std::vector<Attribute> attributes) {
  op(type, inputs, std::move(attributes), dtype(target));
  graph().nodes.back().outputs = {target};
}

ValueId Lowering::wide(ValueId value) {
  if (dtype(value) == DType::kF32) return value;
  if (dtype(value) != DType::kF16) fail("{} is no float value of a known type", graph().value(value).name);
  return builder_.cast(value, DType::kF32);
}

void Lowering::write_as(ValueId target, ValueId value) {
  if (dtype(target) == dtype(value)) {
    BANTAM_ASSERT(graph().nodes.back().outputs == std::vector<ValueId>{value});
    graph().nodes.back().outputs = {target};
  } else {
    write(target, "Cast", {value}, {{"to", std::int64_t{info(dtype(target)).onnx}}});
  }
}

ValueId Lowering::scalar(float value, ValueId like) {
  if (dtype(like) == DType::kF32) return builder_.scalar(value);
  if (dtype(like) != DType::kF16) fail("{} is no float value of a known type", graph().value(like).name);
  const float clamped = std::clamp(value, -30000.0F, 30000.0F);
  const std::uint16_t bits = float_to_fp16(clamped);
  TensorData data{DType::kF16, {}, std::vector<std::byte>(sizeof(bits)), {}};
  std::memcpy(data.bytes.data(), &bits, sizeof(bits));
  return builder_.constant(std::move(data), fmt::format("f16_{}", clamped));
}

const Node* Lowering::producer(ValueId value) const {
  const auto found = producers_.find(value);
  return found == producers_.end() ? nullptr : found->second;
}

std::int64_t integer(const Node& node, std::string_view name, std::int64_t fallback) {
  const Attribute* attribute = node.find(name);
  if (attribute == nullptr) return fallback;
  const auto* value = std::get_if<std::int64_t>(&attribute->value);
  if (value == nullptr) fail("attribute {} is no integer", name);
  return *value;
}

float real(const Node& node, std::string_view name, float fallback) {
  const Attribute* attribute = node.find(name);
  if (attribute == nullptr) return fallback;
  const auto* value = std::get_if<float>(&attribute->value);
  if (value == nullptr) fail("attribute {} is no float", name);
  return *value;
}

void expect_integer(const Node& node, std::string_view name, std::int64_t only, std::int64_t fallback) {
  const std::int64_t value = integer(node, name, fallback);
  if (value != only) fail("{} is {}; only {} is covered here", name, value, only);
}

void expect_attributes(const Node& node, std::initializer_list<std::string_view> known) {
  for (const Attribute& attribute : node.attributes) {
    if (std::ranges::find(known, attribute.name) == known.end()) {
      fail("attribute {} is not covered here", attribute.name);
    }
  }
}

ValueId input(const Node& node, std::size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : kNoValue;
}

ValueId output(const Node& node, std::size_t index) {
  return index < node.outputs.size() ? node.outputs[index] : kNoValue;
}

void expect_omitted(const Node& node, std::size_t index, std::string_view what) {
  if (input(node, index) != kNoValue) fail("{} is not covered here", what);
}

}  // namespace bantam
