#include <algorithm>
#include <map>
#include <set>

#include "base/checked.h"
#include "base/error.h"
#include "graph/builder.h"
#include "quantize/codec.h"
#include "quantize/methods/methods.h"
#include "quantize/schemes/rewriter.h"
#include "quantize/schemes/schemes.h"
#include "quantize/schemes/static_linear.h"

namespace bantam {
namespace {

// The values that nodes read once a weight is quantized.
struct QuantizedWeight {
  Decision decision;
  std::int64_t rows = 0, width = 0;
  ValueId codes = kNoValue;
  ValueId scales = kNoValue;
  ValueId zero_points = kNoValue;
};

CodecPtr blockwise_codec_for(const Decision& decision, const FactorCachePtr& factors) {
  const BlockwiseOptions options = {.bits = decision.bits,
                                    .block_size = static_cast<int>(decision.block_size),
                                    .symmetric = decision.symmetric,
                                    .search = decision.method != Method::kRtn};
  switch (decision.method) {
    case Method::kRtn:
    case Method::kSearch:
      return blockwise_codec(options);
    case Method::kWeighted:
    case Method::kAwq:  // channels were folded before
      return weighted_codec(options, decision.input);
    case Method::kHqq:
      return hqq_codec(options);
    case Method::kGptq:
      return gptq_codec(options, decision.input, factors);
  }
  BANTAM_ASSERT(false);
}

CodecPtr codec_for(const Decision& decision, const FactorCachePtr& factors) {
  switch (decision.scheme) {
    case Scheme::kFloat:
      return float_codec();
    case Scheme::kDynamicInt8:
    case Scheme::kStaticInt8:
      return int8_channel_codec();
    case Scheme::kDynamicUint8:
      return uint8_channel_codec();
    case Scheme::kBlockwise:
      return blockwise_codec_for(decision, factors);
  }
  BANTAM_ASSERT(false);
}

QuantizedWeight attach(Graph& graph, Weight& weight, const Decision& decision,
                       const FactorCachePtr& factors) {
  const TensorSpec& spec = weight.source->spec();
  QuantizedWeight result{decision, spec.rows(), spec.width()};
  weight.codec = codec_for(decision, factors);
  const std::vector<PartSpec> parts = weight.codec->parts(spec);
  BANTAM_ASSERT(parts.size() == 2 || parts.size() == 3);
  const auto attach_part = [&](const PartSpec& part) {
    const ValueId value = graph.add_value(weight.name + part.suffix, part.dtype);
    weight.parts.push_back({{value}, {part.shape}, part.dtype});
    return value;
  };
  weight.parts.clear();
  result.codes = attach_part(parts[0]);
  result.scales = attach_part(parts[1]);
  if (parts.size() == 3) result.zero_points = attach_part(parts[2]);
  return result;
}

class Pass {
 public:
  Pass(Graph& graph, std::map<ValueId, QuantizedWeight> weights, bool fused_lookup, QuantFormat format)
      : rewriter_(graph),
        weights_(std::move(weights)),
        fused_lookup_(fused_lookup),
        static_linears_(rewriter_, format) {}

  void run() {
    const std::vector<Node> nodes = std::move(rewriter_.graph().nodes);
    for (const Node& node : nodes) {
      if (node.type == "Gemm" && weights_.contains(node.inputs[1])) read_by_linears_.insert(node.inputs[1]);
    }
    for (const Node& node : nodes) {
      const std::size_t slot = node.type == "Gemm" ? 1 : 0;
      const auto found = node.inputs.size() > slot ? weights_.find(node.inputs[slot]) : weights_.end();
      if (found == weights_.end()) {
        rewriter_.keep(node);
      } else if (node.type == "Gather") {
        if (found->second.decision.scheme != Scheme::kBlockwise) {
          channel_gather(node, found->second);
        } else if (fused_lookup_ && found->second.width % found->second.decision.block_size == 0) {
          fused_gather(node, found->second, read_by_linears_.contains(found->first));
        } else {
          gather(node, found->second);
        }
      } else if (found->second.decision.scheme == Scheme::kBlockwise) {
        blockwise_linear(node, found->second);
      } else if (found->second.decision.scheme == Scheme::kStaticInt8) {
        const QuantizedWeight& weight = found->second;
        static_linears_.emit(node, weight.decision.grid, weight.codes, weight.scales, bias_of(node));
      } else {
        dynamic_linear(node, found->second);
      }
    }
    rewriter_.finish();
  }

 private:
  static ValueId bias_of(const Node& node) { return node.inputs.size() > 2 ? node.inputs[2] : kNoValue; }

  void blockwise_linear(const Node& node, const QuantizedWeight& weight) {
    rewriter_.emit_into(
        node.outputs[0], node.name, kMicrosoft, "MatMulNBits",
        {node.inputs[0], weight.codes, weight.scales, weight.zero_points, kNoValue, bias_of(node)},
        {{"K", weight.width},
         {"N", weight.rows},
         {"bits", std::int64_t{weight.decision.bits}},
         {"block_size", weight.decision.block_size}});
  }

  // An embedding in one node. It reads the codes as [rows, bytes], MatMulNBits as [rows, blocks, bytes]: the
  // same bytes under two shapes.
  void fused_gather(const Node& node, const QuantizedWeight& weight, bool tied) {
    ValueId& codes = flat_codes_.try_emplace(weight.codes, kNoValue).first->second;
    if (codes == kNoValue) codes = declare_flat(weight, tied);
    rewriter_.emit_into(node.outputs[0], node.name, kMicrosoft, "GatherBlockQuantized",
                        {codes, node.inputs[1], weight.scales},
                        {{"bits", std::int64_t{weight.decision.bits}},
                         {"block_size", weight.decision.block_size},
                         {"gather_axis", std::int64_t{0}},
                         {"quantize_axis", std::int64_t{1}}});
  }

  ValueId declare_flat(const QuantizedWeight& weight, bool tied) {
    Graph& graph = rewriter_.graph();
    const auto owner = std::ranges::find_if(
        graph.weights, [&](const Weight& candidate) { return candidate.parts[0].values[0] == weight.codes; });
    BANTAM_ASSERT(owner != graph.weights.end());
    WeightPart& part = owner->parts[0];
    const Shape shape = {weight.rows, weight.width * weight.decision.bits / 8};
    if (!tied) {
      part.shapes[0] = shape;
      return weight.codes;
    }
    const ValueId flat = graph.add_value(graph.value(weight.codes).name + "_rows", DType::kU8);
    part.values.push_back(flat);
    part.shapes.push_back(shape);
    return flat;
  }

  // An embedding: looks up the rows' codes and scales, then decodes them, w = (code - zero point) * scale.
  // com.microsoft.GatherBlockQuantized would be one node, but the WebGPU builds of onnxruntime-web (1.30
  // and 1.31), which transformers.js 4 loads for wasm too, have no CPU kernel of it. Only the rows looked up
  // are decoded.
  void gather(const Node& node, const QuantizedWeight& weight) {
    GraphBuilder constants(rewriter_.graph());
    const std::int64_t block = weight.decision.block_size, blocks = ceil_div(weight.width, block);
    const ValueId ids = node.inputs[1];
    const auto look_up = [&](ValueId table, std::string_view what, DType dtype) {
      return rewriter_.emit(node.name + std::string(what), "", "Gather", {table, ids}, {}, dtype);
    };
    const auto op = [&](std::string_view type, std::vector<ValueId> inputs, DType dtype = DType::kF32) {
      return rewriter_.emit(node.name, "", type, std::move(inputs), {}, dtype);
    };
    // The shape of ids, then `tail`.
    const ValueId ids_shape = op("Shape", {ids}, DType::kI64);
    const auto shape = [&](std::string_view what, std::initializer_list<std::int64_t> tail) {
      return rewriter_.emit(node.name + std::string(what), "", "Concat",
                            {ids_shape, constants.constant(tail)}, {{"axis", std::int64_t{0}}}, DType::kI64);
    };
    ValueId codes = rewriter_.emit(node.name, "", "Cast", {look_up(weight.codes, "/codes", DType::kU8)},
                                   {{"to", std::int64_t{info(DType::kF32).onnx}}}, DType::kF32);
    if (weight.decision.bits == 4) codes = nibbles(node, codes, shape("/blocks", {blocks, block}));
    const ValueId centred = op("Sub", {codes, constants.scalar(float(1 << (weight.decision.bits - 1)))});
    const ValueId scales =
        op("Unsqueeze", {look_up(weight.scales, "/scales", DType::kF32), constants.constant({-1})});
    const ValueId values = op("Mul", {centred, scales});
    const bool padded = weight.width % block != 0;  // rows are stored as whole blocks
    const std::vector<ValueId> reshape = {values, shape("/row", {blocks * block})};
    if (!padded) {
      rewriter_.emit_into(node.outputs[0], node.name, "", "Reshape", reshape, {});
      return;
    }
    const ValueId begin = constants.constant({0}), end = constants.constant({weight.width}),
                  axis = constants.constant({-1});
    rewriter_.emit_into(node.outputs[0], node.name, "", "Slice", {op("Reshape", reshape), begin, end, axis},
                        {});
  }

  // An embedding in the codes of the linear that it is tied to, [width, rows]: of every token one column and
  // one scale.
  void channel_gather(const Node& node, const QuantizedWeight& weight) {
    GraphBuilder constants(rewriter_.graph());
    const ValueId ids = node.inputs[1];
    const auto op = [&](std::string_view type, std::vector<ValueId> inputs,
                        std::vector<Attribute> attributes = {}) {
      return rewriter_.emit(node.name, "", type, std::move(inputs), std::move(attributes), DType::kF32);
    };
    const auto look_up = [&](ValueId values, std::string_view what, std::int64_t axis, DType dtype) {
      return rewriter_.emit(node.name + std::string(what), "", "Gather", {values, ids}, {{"axis", axis}},
                            dtype);
    };
    const std::vector<Attribute> to_float = {{"to", std::int64_t{info(DType::kF32).onnx}}};
    const DType code = weight.decision.scheme == Scheme::kDynamicUint8 ? DType::kU8 : DType::kI8;
    // [width, batch, tokens] to [batch, tokens, width]: the ids of a decoder (policy.cc) are a matrix.
    ValueId values = op("Transpose", {op("Cast", {look_up(weight.codes, "/codes", 1, code)}, to_float)},
                        {{"perm", std::vector<std::int64_t>{1, 2, 0}}});
    const ValueId last = constants.constant({-1});
    if (weight.zero_points != kNoValue) {
      const ValueId zero =
          rewriter_.emit(node.name + "/zero", "", "Cast",
                         {look_up(weight.zero_points, "/zero_points", 0, code)}, to_float, DType::kF32);
      values =
          op("Sub",
             {values, rewriter_.emit(node.name + "/zero", "", "Unsqueeze", {zero, last}, {}, DType::kF32)});
    }
    const ValueId scales = op("Unsqueeze", {look_up(weight.scales, "/scales", 0, DType::kF32), last});
    rewriter_.emit_into(node.outputs[0], node.name, "", "Mul", {values, scales}, {});
  }

  // Bytes, as floats, to their nibbles, low ones first, in `shape`: with float operators, which every backend
  // has.
  ValueId nibbles(const Node& node, ValueId bytes, ValueId shape) {
    GraphBuilder constants(rewriter_.graph());
    const auto op = [&](std::string_view what, std::string_view type, std::vector<ValueId> inputs) {
      return rewriter_.emit(node.name + std::string(what), "", type, std::move(inputs), {}, DType::kF32);
    };
    const ValueId high = op("/high", "Floor", {op("/high", "Mul", {bytes, constants.scalar(1.0f / 16.0f)})});
    const ValueId low = op("/low", "Sub", {bytes, op("/low", "Mul", {high, constants.scalar(16.0f)})});
    const ValueId last = constants.constant({-1});
    const ValueId pairs =
        rewriter_.emit(node.name + "/nibbles", "", "Concat",
                       {op("/low", "Unsqueeze", {low, last}), op("/high", "Unsqueeze", {high, last})},
                       {{"axis", std::int64_t{-1}}}, DType::kF32);
    return op("/nibbles", "Reshape", {pairs, shape});
  }

  struct Activation {
    ValueId codes, scale, zero_point;
  };

  // The two factors of a product: the sums of codes, as floats, and what they are multiplied by.
  std::vector<ValueId> integer_product(const Activation& x, const QuantizedWeight& weight,
                                       const std::string& base) {
    const ValueId sums =
        rewriter_.emit(base, "", "MatMulInteger", {x.codes, weight.codes, x.zero_point, weight.zero_points},
                       {}, DType::kI32);
    const ValueId as_float =
        rewriter_.emit(base, "", "Cast", {sums}, {{"to", std::int64_t{info(DType::kF32).onnx}}}, DType::kF32);
    return {as_float, rewriter_.emit(base + "/scale", "", "Mul", {x.scale, weight.scales}, {}, DType::kF32)};
  }

  // The pattern of onnxruntime's quantize_dynamic, which its optimizer fuses into one kernel. Linears that
  // read the same activation share its quantization.
  void dynamic_linear(const Node& node, const QuantizedWeight& weight) {
    std::vector<ValueId> addends;
    const auto product_of = [&](const Activation& x, const std::string& base) {
      std::vector<ValueId> factors = integer_product(x, weight, base);
      if (weight.decision.digits == 1 && bias_of(node) == kNoValue) {
        rewriter_.emit_into(node.outputs[0], base, "", "Mul", std::move(factors), {});
      } else {
        addends.push_back(rewriter_.emit(base, "", "Mul", std::move(factors), {}, DType::kF32));
      }
    };
    const Activation x = quantized(node.inputs[0], node.name);
    product_of(x, node.name);
    if (weight.decision.digits == 2) {
      // What the first byte leaves, on a grid of its own: sixteen bits for every element, in integer
      // products.
      const std::string base = node.name + "/rest";
      const ValueId first =
          rewriter_.emit(base, "", "DequantizeLinear", {x.codes, x.scale, x.zero_point}, {}, DType::kF32);
      product_of(quantized(rewriter_.emit(base, "", "Sub", {node.inputs[0], first}, {}, DType::kF32), base),
                 base);
    }
    if (bias_of(node) != kNoValue) addends.push_back(bias_of(node));
    if (addends.empty()) return;
    ValueId sum = addends[0];
    for (std::size_t i = 1; i + 1 < addends.size(); ++i)
      sum = rewriter_.emit(node.name + "/sum", "", "Add", {sum, addends[i]}, {}, DType::kF32);
    rewriter_.emit_into(node.outputs[0], node.name, "", "Add", {sum, addends.back()}, {});
  }

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
  bool fused_lookup_;
  std::set<ValueId> read_by_linears_;      // of weights_
  std::map<ValueId, ValueId> flat_codes_;  // codes as rows, by the codes in blocks
  std::map<ValueId, Activation> activations_;
  StaticLinears static_linears_;
};

}  // namespace

void rewrite_quantized(Graph& graph, const std::vector<Decision>& decisions, bool fused_lookup,
                       const FactorCachePtr& factors, QuantFormat format) {
  std::map<ValueId, QuantizedWeight> quantized;
  for (std::size_t i = 0; i < graph.weights.size(); ++i) {
    if (decisions[i].scheme == Scheme::kFloat) continue;
    const ValueId original = graph.weights[i].parts.at(0).values.at(0);
    quantized.emplace(original, attach(graph, graph.weights[i], decisions[i], factors));
  }
  Pass(graph, std::move(quantized), fused_lookup, format).run();
}

}  // namespace bantam
