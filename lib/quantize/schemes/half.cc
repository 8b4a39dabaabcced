#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/error.h"
#include "base/float16.h"
#include "quantize/schemes/rewriter.h"
#include "quantize/schemes/schemes.h"

namespace bantam {
namespace {

constexpr float kLargestHalf = 65504.0f;
// What a constant beyond the range of halves becomes: still minus infinity to a softmax, and a finite score
// added to it stays finite (65504 would not).
constexpr float kLargestConstant = 30000.0f;

TensorData to_half(const TensorData& data) {
  TensorData half{DType::kF16, data.shape, {}, {}};
  for (std::size_t i = 0; i + sizeof(float) <= data.bytes.size(); i += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, data.bytes.data() + i, sizeof(value));
    const std::uint16_t bits = float_to_fp16(std::clamp(value, -kLargestConstant, kLargestConstant));
    const auto* bytes = reinterpret_cast<const std::byte*>(&bits);
    half.bytes.insert(half.bytes.end(), bytes, bytes + sizeof(bits));
  }
  return half;
}

class HalfPass {
 public:
  HalfPass(Graph& graph, const MaxAbs& max_abs, std::vector<std::string>& notes)
      : graph_(graph), rewriter_(graph), max_abs_(max_abs), notes_(notes) {}

  void run() {
    convert_weights();
    for (Constant& constant : graph_.constants) {
      if (constant.data.dtype != DType::kF32) continue;
      if (stays_wide(constant.value)) {
        wide_.insert(constant.value);
      } else {
        constant.data = to_half(constant.data);
      }
    }
    const std::set<ValueId> inputs(graph_.inputs.begin(), graph_.inputs.end());
    for (const ValueId input : inputs) {
      const Value& value = graph_.value(input);
      if (value.dtype == DType::kF32 && value.precision != Precision::kFollow) wide_.insert(input);
    }
    std::vector<Node> nodes = std::move(graph_.nodes);
    const std::map<ValueId, ValueId> halves = split_outputs(nodes);
    for (Node& node : nodes) convert_node(std::move(node));
    for (const auto& [public_value, half] : halves) {
      rewriter_.emit_into(public_value, graph_.value(half).name, "", "Cast", {half},
                          {{"to", std::int64_t{info(DType::kF32).onnx}}});
      wide_.insert(public_value);
    }
    rewriter_.finish();
    for (std::size_t id = 0; id < graph_.values.size(); ++id) {
      Value& value = graph_.values[id];
      if (value.dtype == DType::kF32 && !wide_.contains(static_cast<ValueId>(id))) value.dtype = DType::kF16;
    }
  }

 private:
  void convert_weights() {
    for (Weight& weight : graph_.weights) {
      for (WeightPart& part : weight.parts) {
        if (part.stored != DType::kF32) continue;
        const std::optional<float> largest = max_abs_(*weight.source);
        // Blockwise scales are rounded to halves by their codec, which refuses what does not fit.
        if (weight.parts.size() == 1 && largest && *largest > kLargestHalf) {
          notes_.push_back(
              fmt::format("{}: holds {:g}, beyond float16; kept in float32", weight.name, *largest));
          wide_.insert(part.values.begin(), part.values.end());
        } else {
          part.stored = DType::kF16;
        }
      }
    }
  }

  bool stays_wide(ValueId id) const {
    return id != kNoValue && graph_.value(id).precision == Precision::kFloat32;
  }

  // Graph outputs stay float32, but for those that follow: their producers write a half twin that a final
  // Cast widens.
  std::map<ValueId, ValueId> split_outputs(std::vector<Node>& nodes) {
    std::map<ValueId, ValueId> halves;
    for (const ValueId output : graph_.outputs) {
      const Value& value = graph_.value(output);
      if (value.dtype != DType::kF32 || value.precision == Precision::kFollow) continue;
      halves[output] = graph_.add_value("/" + graph_.value(output).name + "/half", DType::kF32);
    }
    const auto rename = [&](ValueId& id) {
      if (const auto found = halves.find(id); found != halves.end()) id = found->second;
    };
    for (Node& node : nodes) {
      for (ValueId& id : node.inputs) rename(id);
      for (ValueId& id : node.outputs) rename(id);
    }
    return halves;
  }

  void convert_node(Node node) {
    if (node.type == "Cast" && node.domain.empty()) {
      if (stays_wide(node.outputs.at(0))) {
        wide_.insert(node.outputs[0]);
        rewriter_.keep(std::move(node));
        return;
      }
      for (Attribute& attribute : node.attributes) {
        if (attribute.name == "to" && std::get<std::int64_t>(attribute.value) == info(DType::kF32).onnx) {
          attribute.value = std::int64_t{info(DType::kF16).onnx};
        }
      }
      rewriter_.keep(std::move(node));
      return;
    }
    for (Attribute& attribute : node.attributes) {
      auto* tensor = std::get_if<TensorData>(&attribute.value);
      if (tensor != nullptr && tensor->dtype == DType::kF32) *tensor = to_half(*tensor);
    }
    const bool island =
        std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return wide_.contains(id); }) ||
        std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return stays_wide(id); });
    if (!island) {
      rewriter_.keep(std::move(node));
      return;
    }
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kNoValue || graph_.value(id).dtype != DType::kF32 || wide_.contains(id)) continue;
      node.inputs[i] = cast(id, DType::kF32, node.name + "/input_" + std::to_string(i));
    }
    std::vector<std::pair<ValueId, ValueId>> narrowed;
    for (ValueId& id : node.outputs) {
      if (id == kNoValue || graph_.value(id).dtype != DType::kF32) continue;
      if (stays_wide(id)) {
        wide_.insert(id);
        continue;
      }
      const ValueId wide = graph_.add_value(graph_.value(id).name + "/float", DType::kF32);
      wide_.insert(wide);
      narrowed.emplace_back(wide, id);
      id = wide;
    }
    const std::string name = node.name;
    rewriter_.keep(std::move(node));
    for (const auto& [wide, half] : narrowed) {
      rewriter_.emit_into(half, name + "/narrow", "", "Cast", {wide},
                          {{"to", std::int64_t{info(DType::kF16).onnx}}});
    }
  }

  ValueId cast(ValueId id, DType to, const std::string& base) {
    const ValueId result = rewriter_.emit(base, "", "Cast", {id}, {{"to", std::int64_t{info(to).onnx}}}, to);
    wide_.insert(result);
    return result;
  }

  Graph& graph_;
  Rewriter rewriter_;
  const MaxAbs& max_abs_;
  std::vector<std::string>& notes_;
  std::set<ValueId> wide_;  // float values that stay float32
};

}  // namespace

void convert_to_half(Graph& graph, const MaxAbs& max_abs, std::vector<std::string>& notes) {
  HalfPass(graph, max_abs, notes).run();
}

}  // namespace bantam
