#include "convert/blocks/coupling.h"

#include <algorithm>

#include "base/error.h"
#include "convert/blocks/built_nodes.h"

namespace bantam {
namespace {

using Axis = CoupledAxis::Axis;

// What a linear gives: the rows of its weight and its bias.
void add_rows(const Graph& graph, ValueId output, CoupledAxis axis, std::vector<CoupledAxis>& to) {
  const Node& node = linear_of(graph, output);
  axis.axis = Axis::kRows;
  for (std::size_t i = 1; i < node.inputs.size(); ++i) {
    axis.weight = node.inputs[i];
    to.push_back(axis);
  }
}

void add_columns(const Graph& graph, ValueId output, CoupledAxis axis, std::vector<CoupledAxis>& to) {
  axis.axis = Axis::kColumns;
  axis.weight = linear_of(graph, output).inputs[1];
  to.push_back(axis);
}

std::int64_t length_of(const Graph& graph, ValueId weight, std::size_t axis) {
  return weight_of(graph, weight).parts[0].shapes[0].at(axis);
}

}  // namespace

void couple_norm(const Module& module, ValueId normed) {
  std::vector<ValueId> readers;
  for (const Node& node : module.builder().graph().nodes) {
    if (std::ranges::find(node.inputs, normed) == node.inputs.end()) continue;
    BANTAM_ASSERT(node.type == "Gemm" && node.inputs[0] == normed);
    readers.push_back(node.outputs[0]);
  }
  couple_norm(module, normed, readers);
}

void couple_norm(const Module& module, ValueId normed, std::span<const ValueId> readers) {
  Graph& graph = module.builder().graph();
  const Node& norm = producer_of(graph, normed);
  // x, (what is added to it,) gain, (bias)
  const std::size_t gain = norm.type.starts_with("Skip") ? 2 : 1;
  BANTAM_ASSERT(norm.type.ends_with("LayerNormalization") && norm.inputs.size() > gain);
  Coupling coupling{length_of(graph, norm.inputs[gain], 0), {}, {}};
  for (std::size_t i = gain; i < norm.inputs.size(); ++i)
    coupling.producers.push_back({.weight = norm.inputs[i], .axis = Axis::kRows});
  for (const ValueId reader : readers) add_columns(graph, reader, {}, coupling.consumers);
  graph.couplings.push_back(std::move(coupling));
}

void couple_values(const Module& module, ValueId value, ValueId output, const CoupledHeads& heads) {
  Graph& graph = module.builder().graph();
  Coupling coupling{heads.kv_heads * heads.size, {}, {}};
  add_rows(graph, value, {}, coupling.producers);
  add_columns(graph, output, {.head = heads.size, .repeat = heads.heads / heads.kv_heads},
              coupling.consumers);
  graph.couplings.push_back(std::move(coupling));
}

void couple_scores(const Module& module, ValueId query, ValueId key, const CoupledHeads& heads) {
  Graph& graph = module.builder().graph();
  query = unscaled(graph, query);
  key = unscaled(graph, key);
  if (query == kNoValue || key == kNoValue) return;
  CoupledAxis axis{.head = heads.size, .repeat = 1, .pairs = heads.rotated / 2};
  Coupling coupling{heads.kv_heads * (heads.size - axis.pairs), {}, {}};
  add_rows(graph, key, axis, coupling.producers);
  axis.repeat = heads.heads / heads.kv_heads;
  add_rows(graph, query, axis, coupling.consumers);
  graph.couplings.push_back(std::move(coupling));
}

void couple_product(const Module& module, ValueId factor, ValueId reader) {
  Graph& graph = module.builder().graph();
  Coupling coupling{length_of(graph, linear_of(graph, reader).inputs[1], 1), {}, {}};
  add_rows(graph, factor, {}, coupling.producers);
  add_columns(graph, reader, {}, coupling.consumers);
  graph.couplings.push_back(std::move(coupling));
}

}  // namespace bantam
