#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>

#include "base/checked.h"
#include "pipeline/inspect_graph.h"

namespace bantam {
namespace {

// Which inputs of an operator are a quantized weight and the numbers that decode it (the operators'
// specifications).
struct QuantizedOp {
  std::string_view type;
  int weight;  // -1: none
  std::initializer_list<std::size_t> decoding;
};
const std::array<QuantizedOp, 11> kQuantizedOps = {{
    {"MatMulNBits", 1, {2, 3, 4}},
    {"GatherBlockQuantized", 0, {2, 3}},
    {"DequantizeLinear", 0, {1, 2}},
    {"QuantizeLinear", -1, {1, 2}},
    {"MatMulInteger", 1, {2, 3}},
    {"ConvInteger", 1, {2, 3}},
    {"DynamicQuantizeMatMul", 1, {2, 3}},
    {"MatMulIntegerToFloat", 1, {2, 3, 4, 5}},
    {"QLinearMatMul", 3, {1, 2, 4, 5, 6, 7}},
    {"QLinearConv", 3, {1, 2, 4, 5, 6, 7}},
    {"QGemm", 3, {1, 2, 4, 5, 7, 8}},
}};

std::optional<std::int64_t> integer(const Node& node, std::string_view name) {
  const Attribute* attribute = node.find(name);
  const auto* value = attribute == nullptr ? nullptr : std::get_if<std::int64_t>(&attribute->value);
  if (value == nullptr) return std::nullopt;
  return *value;
}

ValueId input(const Node& node, std::size_t i) {
  return i < node.inputs.size() ? node.inputs[i] : kNoValue;
}

// How the nodes of a graph use stored tensors as quantized weights. Nodes are visited in topological order.
class Quantization {
 public:
  explicit Quantization(const Graph& graph) {
    for (const StoredTensor& tensor : stored_tensors(graph)) {
      const bool codes = info(tensor.spec.dtype).bits == 8 && tensor.spec.dtype != DType::kBool;
      for (const ValueId value : tensor.values) (codes ? byte_tables_ : other_tables_).insert(value);
    }
    for (const Node& node : graph.nodes) {
      visit_quantized(node);
      visit_dynamic(node);
      visit_lookup(node);
    }
  }

  // Parameters of a stored tensor as `value`.
  std::int64_t count(const TensorSpec& spec, ValueId value) const {
    if (decoding_.contains(value)) return 0;
    if (const auto size = sizes_.find(value); size != sizes_.end()) return size->second;
    const std::int64_t elements = element_count(spec.shape);
    if (const auto bits = bits_.find(value); bits != bits_.end()) {
      return info(spec.dtype).bits == 8 ? elements * (8 / bits->second) : elements;
    }
    return is_float(spec.dtype) && !spec.shape.empty() ? elements : 0;
  }

 private:
  void visit_quantized(const Node& node) {
    const auto* op = std::ranges::find(kQuantizedOps, node.type, &QuantizedOp::type);
    if (op == kQuantizedOps.end()) return;
    for (const std::size_t i : op->decoding) decoding_.insert(input(node, i));
    if (op->weight < 0) return;
    const ValueId weight = input(node, static_cast<std::size_t>(op->weight));
    const bool packed = node.type == "MatMulNBits" || node.type == "GatherBlockQuantized";
    bits_[weight] = packed ? std::clamp<std::int64_t>(integer(node, "bits").value_or(4), 1, 8) : 8;
    if (node.type != "MatMulNBits") return;
    const auto size = checked_mul(integer(node, "K").value_or(-1), integer(node, "N").value_or(-1));
    if (size) sizes_[weight] = *size;
  }

  // onnxruntime's quantize_dynamic: the scale of the weight times that of the activation.
  void visit_dynamic(const Node& node) {
    if (node.type == "DynamicQuantizeLinear" && node.outputs.size() > 1)
      dynamic_scales_.insert(node.outputs[1]);
    if (node.type != "Mul") return;
    if (dynamic_scales_.contains(input(node, 0))) decoding_.insert(input(node, 1));
    if (dynamic_scales_.contains(input(node, 1))) decoding_.insert(input(node, 0));
  }

  // An embedding that standard operators decode: rows of codes and of scales are gathered, and multiplied in
  // the end. Floor on the way takes bytes apart into two codes.
  void visit_lookup(const Node& node) {
    if (node.outputs.empty()) return;
    if (node.type == "Gather") {
      const ValueId table = input(node, 0);
      if (byte_tables_.contains(table)) {
        bits_.emplace(table, 8);
        codes_[node.outputs[0]] = table;
      }
      if (other_tables_.contains(table)) floats_[node.outputs[0]] = table;
      return;
    }
    if (node.type == "Mul") {
      for (const std::size_t i : {0u, 1u}) {
        const auto scale = floats_.find(input(node, 1 - i));
        if (codes_.contains(input(node, i)) && scale != floats_.end()) decoding_.insert(scale->second);
      }
    }
    static constexpr std::array<std::string_view, 8> kPassed = {"Cast",      "Sub",    "Mul",     "Floor",
                                                                "Unsqueeze", "Concat", "Reshape", "Slice"};
    if (std::ranges::find(kPassed, node.type) == kPassed.end()) return;
    for (const ValueId id : node.inputs) {
      if (const auto from = codes_.find(id); from != codes_.end()) {
        if (node.type == "Floor") bits_[from->second] = 4;
        codes_.emplace(node.outputs[0], from->second);
      }
    }
    if (node.type == "Mul" || node.type == "Sub" || node.type == "Concat") return;
    if (const auto from = floats_.find(input(node, 0)); from != floats_.end()) {
      floats_.emplace(node.outputs[0], from->second);
    }
  }

  std::set<ValueId> byte_tables_, other_tables_;  // stored tensors of 8-bit integers, and all others
  std::set<ValueId> decoding_;                    // scales, zero points
  std::map<ValueId, std::int64_t> bits_;   // quantized weights -> bits per element of what they stand for
  std::map<ValueId, std::int64_t> sizes_;  // ... -> their elements, where the operator states them
  std::set<ValueId> dynamic_scales_;
  std::map<ValueId, ValueId> codes_, floats_;  // what is made of a gathered table -> the table
};

}  // namespace

std::int64_t parameter_count(const Graph& graph) {
  const Quantization quantization(graph);
  std::int64_t count = 0;
  for (const StoredTensor& tensor : stored_tensors(graph)) {
    std::vector<std::int64_t> counts;
    for (const ValueId value : tensor.values) counts.push_back(quantization.count(tensor.spec, value));
    // Of two views of the same bytes, the one that counts no padding.
    count += *std::ranges::min_element(counts);
  }
  return count;
}

}  // namespace bantam
