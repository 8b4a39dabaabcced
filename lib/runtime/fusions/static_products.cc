// Products of activations with ranges from calibration: QDQ as onnxruntime fuses it.
#include "runtime/fusions/fusions.h"

namespace bantam {
namespace {

bool is_plain(const Node* node, std::string_view type) {
  return node != nullptr && node->domain.empty() && node->type == type;
}

ValueId input_of(const Node& node, std::size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : kNoValue;
}

bool is_byte(FusionView& view, ValueId value) {
  const DType dtype = view.graph().value(value).dtype;
  return dtype == DType::kU8 || dtype == DType::kI8;
}

// One scale for everything, with a zero point of bytes.
bool is_grid(FusionView& view, const Node& node) {
  const ValueId zero = input_of(node, 2);
  const Shape* scale = view.constant_shape(node.inputs[1]);
  return scale != nullptr && element_count(*scale) == 1 && zero != kNoValue && view.is_constant(zero) &&
         is_byte(view, zero) && view.graph().value(node.inputs[1]).dtype == DType::kF32;
}

// A constant matrix of bytes [in, out] with a scale for everything or one per column.
bool is_weight(FusionView& view, const Node& node) {
  const Shape* codes = view.constant_shape(node.inputs[0]);
  const Shape* scales = view.constant_shape(node.inputs[1]);
  if (codes == nullptr || codes->size() != 2 || scales == nullptr || !is_byte(view, node.inputs[0]))
    return false;
  if (view.graph().value(node.inputs[1]).dtype != DType::kF32) return false;
  const ValueId zero = input_of(node, 2);
  if (zero != kNoValue && !view.is_constant(zero)) return false;
  std::int64_t axis = 1;
  for (const Attribute& attribute : node.attributes) {
    const auto* value = std::get_if<std::int64_t>(&attribute.value);
    if (attribute.name == "axis" && value != nullptr) {
      axis = *value;
    } else if (attribute.name != "block_size" || value == nullptr || *value != 0) {
      return false;
    }
  }
  if (element_count(*scales) == 1) return true;
  return (axis == 1 || axis == -1) && *scales == Shape{(*codes)[1]};
}

void remove_if_unread(FusionView& view, ValueId value) {
  Node* node = view.producer(value);
  if (node != nullptr && view.readers(value).empty()) view.remove(*node);
}

}  // namespace

bool fuse_static_product(FusionView& view, Node& last) {
  if (!is_plain(&last, "MatMul") || last.inputs.size() != 2) return false;
  const ValueId left = last.inputs[0], right = last.inputs[1];
  Node* x = view.producer(left);
  Node* weight = view.producer(right);
  if (!is_plain(x, "DequantizeLinear") || !is_plain(weight, "DequantizeLinear")) return false;
  Node* quantize = view.producer(x->inputs[0]);
  if (!is_plain(quantize, "QuantizeLinear") || quantize->inputs.size() != 3 ||
      quantize->inputs[1] != x->inputs[1] || quantize->inputs[2] != input_of(*x, 2)) {
    return false;
  }
  if (!is_grid(view, *x) || !is_weight(view, *weight)) return false;
  Node fused;
  fused.domain = kInternalDomain;
  fused.type = "MatMulIntegerToFloat";
  fused.name = last.name;
  fused.inputs = {x->inputs[0],    weight->inputs[0],    x->inputs[1], weight->inputs[1],
                  input_of(*x, 2), input_of(*weight, 2), kNoValue};
  fused.outputs = last.outputs;
  view.remove(last);
  remove_if_unread(view, left);
  remove_if_unread(view, right);
  view.add(std::move(fused));
  return true;
}

bool fuse_static_bias(FusionView& view, Node& last) {
  const bool negated = is_plain(&last, "Sub");
  if ((!negated && !is_plain(&last, "Add")) || last.inputs.size() != 2) return false;
  for (const std::size_t i : {0, 1}) {
    if (negated && i == 1) break;  // only what is subtracted from the product
    Node* product = view.producer(last.inputs[i]);
    if (product == nullptr || product->type != "MatMulIntegerToFloat" || !view.read_once(last.inputs[i]))
      continue;
    if (product->domain != kInternalDomain || product->inputs.size() != 7 || product->inputs[6] != kNoValue ||
        !product->attributes.empty()) {
      continue;
    }
    ValueId bias = last.inputs[1 - i];
    Node* negation = negated ? view.producer(bias) : nullptr;
    if (negated && !is_plain(negation, "Neg")) continue;
    if (negated) bias = negation->inputs[0];
    const Shape* shape = view.constant_shape(bias);
    const Shape* codes = view.constant_shape(product->inputs[1]);
    if (shape == nullptr || codes == nullptr || *shape != Shape{codes->back()}) continue;
    Node fused = *product;
    fused.inputs[6] = bias;
    fused.outputs = last.outputs;
    const ValueId other = last.inputs[1 - i];
    view.remove(*product);
    view.remove(last);
    if (negated) remove_if_unread(view, other);
    view.add(std::move(fused));
    return true;
  }
  return false;
}

}  // namespace bantam
