#include "graph/lower.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/error.h"
#include "graph/lower/lowering.h"

namespace bantam {
namespace {

struct Entry {
  std::string_view domain;
  std::string_view type;
  void (*lower)(Lowering& to, const Node& node);
};

// What is beyond ONNX and how it is written in ONNX. SimplifiedLayerNormalization is onnxruntime's too,
// although it goes under ONNX's domain.
constexpr std::array<Entry, 11> kTable = {{
    {kMicrosoft, "BiasGelu", lower_bias_gelu},
    {kMicrosoft, "FastGelu", lower_fast_gelu},
    {kMicrosoft, "GatherBlockQuantized", lower_gather_block_quantized},
    {kMicrosoft, "Gelu", lower_gelu},
    {kMicrosoft, "GroupQueryAttention", lower_group_query_attention},
    {kMicrosoft, "MatMulNBits", lower_matmul_nbits},
    {kMicrosoft, "QuickGelu", lower_quick_gelu},
    {kMicrosoft, "RotaryEmbedding", lower_rotary},
    {kMicrosoft, "SkipLayerNormalization", lower_skip_layer_norm},
    {kMicrosoft, "SkipSimplifiedLayerNormalization", lower_skip_rms_norm},
    {"", "SimplifiedLayerNormalization", lower_rms_norm},
}};

const Entry* find(const Node& node) {
  const auto* found = std::ranges::find_if(
      kTable, [&](const Entry& entry) { return entry.domain == node.domain && entry.type == node.type; });
  return found == kTable.end() ? nullptr : found;
}

bool is_excluded(const Node& node, Operators allowed) {
  switch (allowed) {
    case Operators::kFused:
      return false;
    case Operators::kWeb122:
      if (node.domain != kMicrosoft) return false;
      return node.type == "GatherBlockQuantized" || node.type == "GroupQueryAttention" ||
             (node.type == "MatMulNBits" && integer(node, "bits", 4) != 4);
    case Operators::kStandard:
      return !node.domain.empty() || find(node) != nullptr;
  }
  BANTAM_ASSERT(false);
}

// Nodes of which nothing is read.
void remove_dead(Graph& graph) {
  std::set<ValueId> read(graph.outputs.begin(), graph.outputs.end());
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (std::ranges::none_of(node->outputs, [&](ValueId id) { return read.contains(id); })) continue;
    read.insert(node->inputs.begin(), node->inputs.end());
    kept.push_back(std::move(*node));
  }
  graph.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  std::erase_if(graph.constants, [&](const Constant& constant) { return !read.contains(constant.value); });
}

void remove_unused_domains(Graph& graph) {
  std::erase_if(graph.opsets, [&](const auto& opset) {
    return !opset.first.empty() &&
           std::ranges::none_of(graph.nodes, [&](const Node& node) { return node.domain == opset.first; });
  });
}

// The replacement is named after the node: "/layers.0/self_attn/RotaryEmbedding" ->
// ".../RotaryEmbedding/Split".
std::string_view scope_of(const Node& node) {
  std::string_view name = node.name;
  if (name.starts_with('/')) name.remove_prefix(1);
  return name;
}

}  // namespace

void lower_operators(Graph& graph, Operators allowed) {
  std::vector<bool> replaced;
  for (const Node& node : graph.nodes) {
    const std::string where = fmt::format("{} ({})", node.name, node.type);
    replaced.push_back(with_context(where, [&] { return is_excluded(node, allowed); }));
    if (replaced.back() && find(node) == nullptr) {
      fail("{}: {}.{} has no form in ONNX's own operators here", node.name, node.domain, node.type);
    }
  }
  if (std::ranges::find(replaced, true) == replaced.end()) return;
  if (const std::int64_t opset = graph.opsets.at(""); opset < 21) {
    fail("opset {}; the operators that replace others are those of opset 21", opset);
  }
  Lowering to(graph, std::exchange(graph.nodes, {}), replaced, allowed);
  for (std::size_t n = 0; n < to.nodes().size(); ++n) {
    const Node& node = to.nodes()[n];
    if (!replaced[n]) {
      graph.nodes.push_back(node);
      continue;
    }
    const GraphBuilder::Scope scope(to.builder(), scope_of(node));
    with_context(fmt::format("{} ({})", node.name, node.type), [&] { find(node)->lower(to, node); });
  }
  remove_dead(graph);
  remove_unused_domains(graph);
  graph.check();
}

}  // namespace bantam
