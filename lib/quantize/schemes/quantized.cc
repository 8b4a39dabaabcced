#include <map>

#include "base/checked.h"
#include "base/error.h"
#include "graph/builder.h"
#include "quantize/codec.h"
#include "quantize/schemes/rewriter.h"
#include "quantize/schemes/schemes.h"

namespace bantam {
namespace {

// The values that nodes read once a weight is quantized.
struct QuantizedWeight {
  Decision decision;
  std::int64_t rows = 0, width = 0;
  ValueId linear = kNoValue;  // codes as the linear operator wants them
  ValueId gather = kNoValue;  // the same bytes as the gather operator wants them
  ValueId scales = kNoValue;
  ValueId zero_points = kNoValue;
};

CodecPtr codec_for(const Decision& decision) {
  switch (decision.scheme) {
    case Scheme::kFloat: return float_codec();
    case Scheme::kDynamicInt8: return int8_channel_codec();
    case Scheme::kDynamicUint8: return uint8_channel_codec();
    case Scheme::kBlockwise:
      return blockwise_codec({.bits = decision.bits, .block_size = static_cast<int>(decision.block_size), .symmetric = decision.symmetric});
  }
  BANTAM_ASSERT(false);
}

QuantizedWeight attach(Graph& graph, Weight& weight, const Decision& decision, const WeightUses& uses) {
  const TensorSpec& spec = weight.source->spec();
  QuantizedWeight result{decision, spec.rows(), spec.width()};
  weight.codec = codec_for(decision);
  const std::vector<PartSpec> parts = weight.codec->parts(spec);
  BANTAM_ASSERT(parts.size() == 2 || parts.size() == 3);
  const auto value = [&](const PartSpec& part, std::string_view suffix) {
    return graph.add_value(weight.name + std::string(suffix), part.dtype);
  };
  WeightPart codes{{}, {}, parts[0].dtype};
  if (!uses.linears.empty()) {
    result.linear = value(parts[0], parts[0].suffix);
    codes.values.push_back(result.linear);
    codes.shapes.push_back(parts[0].shape);
  }
  if (!uses.gathers.empty()) {
    result.gather = value(parts[0], parts[0].suffix + (uses.linears.empty() ? "" : "_gather"));
    codes.values.push_back(result.gather);
    codes.shapes.push_back({spec.rows(), element_count(parts[0].shape) / spec.rows()});
  }
  result.scales = value(parts[1], parts[1].suffix);
  weight.parts = {std::move(codes), {{result.scales}, {parts[1].shape}, parts[1].dtype}};
  if (parts.size() == 3) {
    result.zero_points = value(parts[2], parts[2].suffix);
    weight.parts.push_back({{result.zero_points}, {parts[2].shape}, parts[2].dtype});
  }
  return result;
}

class Pass {
 public:
  Pass(Graph& graph, std::map<ValueId, QuantizedWeight> weights)
      : rewriter_(graph), weights_(std::move(weights)) {}

  void run() {
    const std::vector<Node> nodes = std::move(rewriter_.graph().nodes);
    for (const Node& node : nodes) {
      const std::size_t slot = node.type == "Gemm" ? 1 : 0;
      const auto found = node.inputs.size() > slot ? weights_.find(node.inputs[slot]) : weights_.end();
      if (found == weights_.end()) {
        rewriter_.keep(node);
      } else if (node.type == "Gather") {
        gather(node, found->second);
      } else if (found->second.decision.scheme == Scheme::kBlockwise) {
        blockwise_linear(node, found->second);
      } else {
        dynamic_linear(node, found->second);
      }
    }
    rewriter_.finish();
  }

 private:
  static ValueId bias_of(const Node& node) { return node.inputs.size() > 2 ? node.inputs[2] : kNoValue; }

  void blockwise_linear(const Node& node, const QuantizedWeight& weight) {
    rewriter_.emit_into(node.outputs[0], node.name, kMicrosoft, "MatMulNBits",
                        {node.inputs[0], weight.linear, weight.scales, weight.zero_points, kNoValue, bias_of(node)},
                        {{"K", weight.width},
                         {"N", weight.rows},
                         {"bits", std::int64_t{weight.decision.bits}},
                         {"block_size", weight.decision.block_size}});
  }

  void gather(const Node& node, const QuantizedWeight& weight) {
    const std::int64_t block = weight.decision.block_size;
    const std::vector<Attribute> attributes = {{"gather_axis", std::int64_t{0}},
                                               {"quantize_axis", std::int64_t{1}},
                                               {"block_size", block},
                                               {"bits", std::int64_t{weight.decision.bits}}};
    const std::vector<ValueId> inputs = {weight.gather, node.inputs[1], weight.scales, weight.zero_points};
    if (weight.width % block == 0) {
      rewriter_.emit_into(node.outputs[0], node.name, kMicrosoft, "GatherBlockQuantized", inputs, attributes);
      return;
    }
    // Rows are stored as whole blocks; the padding is cut off after the lookup.
    const ValueId padded =
        rewriter_.emit(node.name, kMicrosoft, "GatherBlockQuantized", inputs, attributes, DType::kF32);
    GraphBuilder constants(rewriter_.graph());
    const ValueId begin = constants.constant({0}), end = constants.constant({weight.width}), axis = constants.constant({-1});
    rewriter_.emit_into(node.outputs[0], node.name, "", "Slice", {padded, begin, end, axis}, {});
  }

  // The pattern of onnxruntime's quantize_dynamic, which its optimizer fuses into one kernel. Linears that read the
  // same activation share its quantization.
  void dynamic_linear(const Node& node, const QuantizedWeight& weight) {
    const Activation& x = quantized(node.inputs[0], node.name);
    const ValueId sums = rewriter_.emit(node.name, "", "MatMulInteger", {x.codes, weight.linear, x.zero_point, weight.zero_points},
                                        {}, DType::kI32);
    const ValueId as_float = rewriter_.emit(node.name, "", "Cast", {sums}, {{"to", std::int64_t{info(DType::kF32).onnx}}}, DType::kF32);
    const ValueId scale = rewriter_.emit(node.name + "/scale", "", "Mul", {x.scale, weight.scales}, {}, DType::kF32);
    const ValueId bias = bias_of(node);
    if (bias == kNoValue) {
      rewriter_.emit_into(node.outputs[0], node.name, "", "Mul", {as_float, scale}, {});
      return;
    }
    const ValueId product = rewriter_.emit(node.name, "", "Mul", {as_float, scale}, {}, DType::kF32);
    rewriter_.emit_into(node.outputs[0], node.name, "", "Add", {product, bias}, {});
  }

  struct Activation {
    ValueId codes, scale, zero_point;
  };
  const Activation& quantized(ValueId x, const std::string& base) {
    const auto known = activations_.find(x);
    if (known != activations_.end()) return known->second;
    Graph& graph = rewriter_.graph();
    Node node;
    node.type = "DynamicQuantizeLinear";
    node.name = base + "/DynamicQuantizeLinear";
    node.inputs = {x};
    const Activation made = {graph.add_value(node.name + "_codes", DType::kU8),
                             graph.add_value(node.name + "_scale", DType::kF32),
                             graph.add_value(node.name + "_zero_point", DType::kU8)};
    node.outputs = {made.codes, made.scale, made.zero_point};
    rewriter_.keep(std::move(node));
    return activations_.emplace(x, made).first->second;
  }

  Rewriter rewriter_;
  std::map<ValueId, QuantizedWeight> weights_;
  std::map<ValueId, Activation> activations_;
};

}  // namespace

void rewrite_quantized(Graph& graph, const std::vector<Decision>& decisions, const std::vector<WeightUses>& uses) {
  std::map<ValueId, QuantizedWeight> quantized;
  for (std::size_t i = 0; i < graph.weights.size(); ++i) {
    if (decisions[i].scheme == Scheme::kFloat) continue;
    const ValueId original = graph.weights[i].parts.at(0).values.at(0);
    quantized.emplace(original, attach(graph, graph.weights[i], decisions[i], uses[i]));
  }
  Pass(graph, std::move(quantized)).run();
}

}  // namespace bantam
