// Products with what is added to and computed of their result.
#include "runtime/fusions/fusions.h"

namespace bantam {
namespace {

Node internal(std::string_view type, const Node& named_after, std::vector<ValueId> inputs,
              const Node& ends_in) {
  Node node;
  node.domain = kInternalDomain;
  node.type = type;
  node.name = named_after.name;
  node.inputs = std::move(inputs);
  node.outputs = ends_in.outputs;
  return node;
}

bool is_plain(const Node& node, std::string_view type) {
  return node.domain.empty() && node.type == type;
}

// The other input of a node with two.
ValueId other(const Node& node, std::size_t input) {
  return node.inputs[1 - input];
}

// A constant vector that a bias may be.
bool is_vector(FusionView& view, ValueId value) {
  const Shape* shape = view.constant_shape(value);
  return shape != nullptr && shape->size() == 1;
}

// The name of the activation that a node computes of its only input; empty when it is another op.
std::string activation_of(const Node& node) {
  const auto attribute = [&]<typename T>(std::string_view name, T otherwise) {
    const Attribute* found = node.find(name);
    const T* value = found != nullptr ? std::get_if<T>(&found->value) : nullptr;
    return found == nullptr ? otherwise : value != nullptr ? *value : T{};
  };
  if (node.inputs.size() != 1) return "";
  if (node.domain == "com.microsoft") {
    if (node.type == "Gelu") return "gelu";
    if (node.type == "FastGelu") return "gelu_tanh";
    if (node.type == "QuickGelu" && attribute("alpha", 1.702f) == 1.0f) return "silu";
    return "";
  }
  if (!node.domain.empty()) return "";
  if (node.type == "Gelu")
    return attribute("approximate", std::string("none")) == "tanh" ? "gelu_tanh" : "gelu";
  if (node.type == "Relu") return "relu";
  if (node.type == "Tanh") return "tanh";
  if (node.type == "Sigmoid") return "sigmoid";
  return "";
}

}  // namespace

bool fuse_integer_product(FusionView& view, Node& last) {
  if (!is_plain(last, "Mul") || last.inputs.size() != 2) return false;
  for (const std::size_t i : {0, 1}) {
    Node* cast = view.sole(last.inputs[i], "Cast");
    const Attribute* to = cast != nullptr ? cast->find("to") : nullptr;
    const auto* code = to != nullptr ? std::get_if<std::int64_t>(&to->value) : nullptr;
    if (code == nullptr || *code != info(DType::kF32).onnx) continue;
    Node* product = view.sole(cast->inputs[0], "MatMulInteger");
    const Shape* shape = product != nullptr ? view.constant_shape(product->inputs[1]) : nullptr;
    if (shape == nullptr || shape->size() != 2) continue;
    const auto input = [&](std::size_t index) {
      return index < product->inputs.size() ? product->inputs[index] : kNoValue;
    };
    Node fused =
        internal("MatMulInteger", *product, {input(0), input(1), input(2), input(3), other(last, i)}, last);
    view.remove(*product);
    view.remove(*cast);
    view.remove(last);
    view.add(std::move(fused));
    return true;
  }
  return false;
}

bool fuse_bias(FusionView& view, Node& last) {
  if (!is_plain(last, "Add") || last.inputs.size() != 2) return false;
  for (const std::size_t i : {0, 1}) {
    Node* product = view.producer(last.inputs[i]);
    const ValueId bias = other(last, i);
    if (product == nullptr || !view.read_once(last.inputs[i]) || !is_vector(view, bias)) continue;
    const bool integer =
        product->domain == kInternalDomain && product->type == "MatMulInteger" && product->inputs.size() == 5;
    const Shape* weight = product->inputs.size() > 1 ? view.constant_shape(product->inputs[1]) : nullptr;
    const bool plain = is_plain(*product, "MatMul") && weight != nullptr && weight->size() == 2;
    if (!integer && !plain) continue;
    // A bias of one element would be broadcast; the fused ops take one number per column.
    if (weight == nullptr || (*view.constant_shape(bias))[0] != weight->back()) continue;
    std::vector<ValueId> inputs = product->inputs;
    inputs.push_back(bias);
    Node fused = internal(integer ? "MatMulInteger" : "MatMul", *product, std::move(inputs), last);
    view.remove(*product);
    view.remove(last);
    view.add(std::move(fused));
    return true;
  }
  return false;
}

bool fuse_activation(FusionView& view, Node& last) {
  const std::string activation = activation_of(last);
  if (activation.empty() || !view.read_once(last.inputs[0])) return false;
  Node* product = view.producer(last.inputs[0]);
  if (product == nullptr) return false;
  const bool to_float = product->type == "MatMulIntegerToFloat";
  const bool internal_product =
      (product->domain == kInternalDomain &&
       (product->type == "MatMul" || product->type == "MatMulInteger" || to_float)) ||
      (product->domain == "com.microsoft" && to_float);
  const bool nbits = product->domain == "com.microsoft" && product->type == "MatMulNBits";
  if (!internal_product && !nbits && !is_plain(*product, "Gemm")) return false;
  Node fused = internal(product->type, *product, product->inputs, last);
  fused.attributes = product->attributes;
  fused.attributes.push_back({"activation", activation});
  view.remove(*product);
  view.remove(last);
  view.add(std::move(fused));
  return true;
}

bool fuse_add_norm(FusionView& view, Node& last) {
  const bool center = is_plain(last, "LayerNormalization");
  if (!center && !is_plain(last, "SimplifiedLayerNormalization") && !is_plain(last, "RMSNormalization"))
    return false;
  const Attribute* axis = last.find("axis");
  const auto* value = axis != nullptr ? std::get_if<std::int64_t>(&axis->value) : nullptr;
  if (last.outputs.size() != 1 || (axis != nullptr && (value == nullptr || *value != -1))) return false;
  for (std::size_t i = 1; i < last.inputs.size(); ++i) {
    if (last.inputs[i] == kNoValue || !is_vector(view, last.inputs[i])) return false;
  }
  Node* add = view.producer(last.inputs[0]);
  if (add == nullptr || !is_plain(*add, "Add")) return false;
  Node fused = internal("AddNorm", last, {add->inputs[0], add->inputs[1]}, last);
  fused.inputs.insert(fused.inputs.end(), last.inputs.begin() + 1, last.inputs.end());
  fused.attributes = last.attributes;
  std::erase_if(fused.attributes, [](const Attribute& a) { return a.name == "axis"; });
  fused.attributes.push_back({"center", std::int64_t{center}});
  // The sum is a second output where others read it as well.
  const bool shared = !view.read_once(last.inputs[0]);
  if (shared) fused.outputs.push_back(add->outputs[0]);
  view.remove(*add);
  view.remove(last);
  view.add(std::move(fused));
  return true;
}

}  // namespace bantam
