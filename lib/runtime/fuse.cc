#include "runtime/fuse.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "graph/topological.h"
#include "runtime/constants.h"
#include "runtime/fusions/fusions.h"

namespace bantam {
namespace {

constexpr std::size_t kNobody = SIZE_MAX;

bool has_half(const Graph& graph) {
  const bool value =
      std::any_of(graph.values.begin(), graph.values.end(), [](const Value& v) { return is_half(v.dtype); });
  return value || std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
           const Attribute* to = node.type == "Cast" ? node.find("to") : nullptr;
           const auto* code = to != nullptr ? std::get_if<std::int64_t>(&to->value) : nullptr;
           const auto dtype = code != nullptr ? dtype_from_onnx(static_cast<int>(*code)) : std::nullopt;
           return dtype && is_half(*dtype);
         });
}

}  // namespace

FusionView::FusionView(Graph& graph) : graph_(graph) {
  const std::size_t values = graph.values.size();
  gone_.resize(graph.nodes.size(), false);
  readers_.resize(values);
  producers_.resize(values, kNobody);
  constant_.resize(values, false);
  output_.resize(values, false);
  shapes_.resize(values, nullptr);
  data_.resize(values, nullptr);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) index(i);
  for (const ValueId id : graph.outputs) output_[static_cast<std::size_t>(id)] = true;
  for (const Constant& constant : graph.constants) {
    const auto id = static_cast<std::size_t>(constant.value);
    constant_[id] = true;
    shapes_[id] = &constant.data.shape;
    data_[id] = &constant.data;
  }
  for (const Weight& weight : graph.weights) {
    for (const WeightPart& part : weight.parts) {
      for (std::size_t i = 0; i < part.values.size(); ++i) {
        const auto id = static_cast<std::size_t>(part.values[i]);
        constant_[id] = true;
        shapes_[id] = &part.shapes[i];
      }
    }
  }
}

void FusionView::index(std::size_t node) {
  for (const ValueId id : graph_.nodes[node].inputs) {
    if (id != kNoValue) readers_[static_cast<std::size_t>(id)].push_back(node);
  }
  for (const ValueId id : graph_.nodes[node].outputs) {
    if (id != kNoValue) producers_[static_cast<std::size_t>(id)] = node;
  }
}

void FusionView::forget(std::size_t node) {
  for (const ValueId id : graph_.nodes[node].inputs) {
    if (id != kNoValue) std::erase(readers_[static_cast<std::size_t>(id)], node);
  }
  for (const ValueId id : graph_.nodes[node].outputs) {
    if (id != kNoValue) producers_[static_cast<std::size_t>(id)] = kNobody;
  }
}

Node* FusionView::producer(ValueId value) {
  if (value == kNoValue) return nullptr;
  const std::size_t node = producers_[static_cast<std::size_t>(value)];
  return node == kNobody ? nullptr : &graph_.nodes[node];
}

bool FusionView::read_once(ValueId value) const {
  const auto id = static_cast<std::size_t>(value);
  return !output_[id] && readers_[id].size() == 1;
}

std::vector<Node*> FusionView::readers(ValueId value) {
  std::vector<Node*> nodes;
  for (const std::size_t node : readers_[static_cast<std::size_t>(value)])
    nodes.push_back(&graph_.nodes[node]);
  return nodes;
}

Node* FusionView::sole(ValueId value, std::string_view type, std::string_view domain) {
  Node* node = producer(value);
  const bool fits = node != nullptr && node->type == type && node->domain == domain && read_once(value);
  return fits ? node : nullptr;
}

const Shape* FusionView::constant_shape(ValueId value) const {
  return value == kNoValue ? nullptr : shapes_[static_cast<std::size_t>(value)];
}

std::optional<float> FusionView::scalar(ValueId value) const {
  const TensorData* data = value == kNoValue ? nullptr : data_[static_cast<std::size_t>(value)];
  if (data == nullptr || data->dtype != DType::kF32 || data->bytes.size() != sizeof(float))
    return std::nullopt;
  float number = 0;
  std::memcpy(&number, data->bytes.data(), sizeof(number));
  return number;
}

std::optional<std::vector<std::int64_t>> FusionView::integers(const Node& node,
                                                              std::string_view attribute) const {
  const Attribute* found = node.find(attribute);
  const auto* list = found != nullptr ? std::get_if<std::vector<std::int64_t>>(&found->value) : nullptr;
  return list != nullptr ? std::optional(*list) : std::nullopt;
}

void FusionView::remove(Node& node) {
  const auto at = static_cast<std::size_t>(&node - graph_.nodes.data());
  forget(at);
  gone_[at] = true;
}

void FusionView::add(Node node) {
  for (const ValueId id : node.outputs) BANTAM_ASSERT(id == kNoValue || producer(id) == nullptr);
  graph_.nodes.push_back(std::move(node));
  gone_.push_back(false);
  index(graph_.nodes.size() - 1);
}

void FusionView::rewire(Node& node, std::size_t input, ValueId value) {
  const auto at = static_cast<std::size_t>(&node - graph_.nodes.data());
  std::erase(readers_[static_cast<std::size_t>(node.inputs[input])], at);
  node.inputs[input] = value;
  readers_[static_cast<std::size_t>(value)].push_back(at);
}

void FusionView::finish() {
  std::vector<Node> kept;
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (!gone_[i]) kept.push_back(std::move(graph_.nodes[i]));
  }
  graph_.nodes = std::move(kept);
  sort_nodes(graph_);
}

void fuse(Graph& graph) {
  if (has_half(graph)) return;
  graph.opsets.try_emplace(std::string(kInternalDomain), 1);
  for (const Fusion& fusion : fusions()) {
    const std::size_t count = graph.nodes.size();
    graph.nodes.reserve(count *
                        2);  // at most one new node for each that it may end in: references stay valid
    FusionView view(graph);
    for (std::size_t i = 0; i < count; ++i) {
      if (view.alive(graph.nodes[i])) fusion.apply(view, graph.nodes[i]);
    }
    view.finish();
  }
  graph.check();
}

}  // namespace bantam
