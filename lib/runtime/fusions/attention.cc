// Scaled dot product attention as exporters spell it out:
//   Softmax(scale * Transpose(q) Transpose(k) [+ bias]) Transpose(v), transposed back,
// where q, k and v are [batch, rows, heads, size]. The fused node reads them as they are.
#include "runtime/fusions/fusions.h"

namespace bantam {
namespace {

using Permutation = std::vector<std::int64_t>;

// A multiplication or division by one number: what is multiplied and by what; nothing when the node is
// another.
struct Scaled {
  ValueId value = kNoValue;
  float factor = 1.0f;
};
std::optional<Scaled> scaled_by(FusionView& view, const Node& node) {
  if (!node.domain.empty() || node.inputs.size() != 2) return std::nullopt;
  if (node.type == "Mul") {
    for (const std::size_t i : {0, 1}) {
      if (const auto factor = view.scalar(node.inputs[i])) return Scaled{node.inputs[1 - i], *factor};
    }
  }
  if (node.type == "Div") {
    if (const auto divisor = view.scalar(node.inputs[1])) return Scaled{node.inputs[0], 1.0f / *divisor};
  }
  return std::nullopt;
}

Node* transpose_of(FusionView& view, ValueId value, const Permutation& permutation) {
  Node* node = view.sole(value, "Transpose");
  return node != nullptr && view.integers(*node, "perm") == permutation ? node : nullptr;
}

class Matcher {
 public:
  Matcher(FusionView& view, Node& last) : view_(view), back_(last) {}

  bool match() {
    if (back_.type != "Transpose" || !back_.domain.empty() ||
        view_.integers(back_, "perm") != Permutation{0, 2, 1, 3})
      return false;
    Node* mixed = take(view_.sole(back_.inputs[0], "MatMul"));
    if (mixed == nullptr) return false;
    Node* value = take(transpose_of(view_, mixed->inputs[1], {0, 2, 1, 3}));
    Node* softmax = take(view_.sole(mixed->inputs[0], "Softmax"));
    if (value == nullptr || softmax == nullptr || !last_axis(*softmax)) return false;
    v_ = value->inputs[0];
    return match_scores(softmax->inputs[0]);
  }

  // Attention(q, k, v, bias) with the product of all scale factors.
  void apply() {
    Node fused;
    fused.domain = kInternalDomain;
    fused.type = "Attention";
    fused.name = back_.name;
    fused.inputs = {q_, k_, v_};
    if (bias_ != kNoValue) fused.inputs.push_back(bias_);
    fused.outputs = back_.outputs;
    fused.attributes = {{"scale", scale_}};
    for (Node* node : taken_) view_.remove(*node);
    view_.remove(back_);
    view_.add(std::move(fused));
  }

 private:
  Node* take(Node* node) {
    if (node != nullptr) taken_.push_back(node);
    return node;
  }

  bool last_axis(const Node& softmax) const {
    const Attribute* axis = softmax.find("axis");
    // Without it: the last axis from opset 13 on, before that axis 1 and everything behind it.
    if (axis == nullptr) return view_.graph().opsets.at("") >= 13;
    const auto* value = std::get_if<std::int64_t>(&axis->value);
    return value != nullptr && (*value == -1 || *value == 3);
  }

  bool match_scores(ValueId scores) {
    if (Node* add = view_.sole(scores, "Add")) {
      // The bias is the side that is not the product.
      for (const std::size_t i : {0, 1}) {
        const std::size_t kept = taken_.size();
        take(add);
        bias_ = add->inputs[1 - i];
        if (match_product(add->inputs[i])) return true;
        taken_.resize(kept);
        scale_ = 1.0f;
      }
      return false;
    }
    return match_product(scores);
  }

  bool match_product(ValueId value) {
    value = strip_scale(value);
    Node* product = take(view_.sole(value, "MatMul"));
    if (product == nullptr) return false;
    Node* query = take(transpose_of(view_, strip_scale(product->inputs[0]), {0, 2, 1, 3}));
    Node* key = take(transpose_of(view_, strip_scale(product->inputs[1]), {0, 2, 3, 1}));
    if (query == nullptr || key == nullptr) return false;
    q_ = strip_before_reshape(query->inputs[0]);
    k_ = key->inputs[0];
    return scale_ > 0.0f;
  }

  // Takes multiplications by one number out of the way.
  ValueId strip_scale(ValueId value) {
    Node* node = view_.producer(value);
    if (node == nullptr || !view_.read_once(value)) return value;
    const auto scaled = scaled_by(view_, *node);
    if (!scaled) return value;
    take(node);
    scale_ *= scaled->factor;
    return strip_scale(scaled->value);
  }

  // The same for q in front of the reshape that splits its heads; the reshape stays and reads the unscaled
  // rows.
  ValueId strip_before_reshape(ValueId value) {
    Node* reshape = view_.sole(value, "Reshape");
    Node* scale = reshape != nullptr ? view_.producer(reshape->inputs[0]) : nullptr;
    if (scale == nullptr || !view_.read_once(reshape->inputs[0])) return value;
    if (const auto scaled = scaled_by(view_, *scale)) {
      take(scale);
      scale_ *= scaled->factor;
      reshape_ = reshape;
      unscaled_ = scaled->value;
    }
    return value;
  }

 public:
  void rewire() {
    if (reshape_ != nullptr) view_.rewire(*reshape_, 0, unscaled_);
  }

 private:
  FusionView& view_;
  Node& back_;
  std::vector<Node*> taken_;
  ValueId q_ = kNoValue, k_ = kNoValue, v_ = kNoValue, bias_ = kNoValue;
  float scale_ = 1.0f;
  Node* reshape_ = nullptr;
  ValueId unscaled_ = kNoValue;
};

}  // namespace

bool fuse_attention(FusionView& view, Node& last) {
  Matcher matcher(view, last);
  if (!matcher.match()) return false;
  matcher.rewire();
  matcher.apply();
  return true;
}

}  // namespace bantam
