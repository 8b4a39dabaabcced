#include "convert/blocks/kept_heads.h"

#include <algorithm>

#include "base/error.h"
#include "convert/blocks/built_nodes.h"
#include "convert/blocks/derived_source.h"

namespace bantam {
namespace {

// Columns (or rows) that belong to the heads that leave, each `size` wide.
std::vector<std::int64_t> removed_columns(const KeptHeads& kept) {
  std::vector<std::int64_t> columns;
  for (const std::int64_t head : kept.removed) {
    for (std::int64_t i = 0; i < kept.stored.size; ++i) columns.push_back(head * kept.stored.size + i);
  }
  return columns;
}

// The Gemm that gives `value`, itself or before a product with a constant.
const Node& linear_before(const Graph& graph, ValueId value) {
  return linear_of(graph, unscaled(graph, value));
}

void replace_source(Graph& graph, ValueId value, TensorSourcePtr source) {
  Weight& weight = weight_of(graph, value);
  weight.parts.at(0).shapes.at(0) = source->spec().shape;
  weight.source = std::move(source);
}

}  // namespace

std::vector<RowRange> KeptHeads::rows(std::int64_t size) const {
  std::vector<RowRange> ranges;
  for (std::int64_t head = 0; head < stored.count; ++head) {
    if (std::ranges::binary_search(removed, head)) continue;
    if (!ranges.empty() && ranges.back().end == head * size) {
      ranges.back().end += size;
    } else {
      ranges.push_back({head * size, (head + 1) * size});
    }
  }
  return ranges;
}

KeptHeads kept_heads(const Module& module, std::int64_t layer, const AttentionHeads& stored) {
  KeptHeads kept{layer, stored, {}, nullptr};
  const HeadPruning* pruning = module.weights().pruning();
  if (pruning == nullptr) return kept;
  const auto found = pruning->removed.find(layer);
  if (found == pruning->removed.end()) return kept;
  kept.removed = found->second;
  if (!kept.removed.empty() && kept.removed.back() >= stored.count) {
    fail("prune heads: layer {} has no head {}; its heads are 0 to {}", layer, kept.removed.back(),
         stored.count - 1);
  }
  if (std::ssize(kept.removed) >= stored.count) {
    fail("prune heads: all {} heads of layer {} would leave; one must stay", stored.count, layer);
  }
  if (const auto refit = pruning->refits.find(layer); refit != pruning->refits.end())
    kept.refit = refit->second;
  return kept;
}

void check_pruned_layers(const Module& root, std::int64_t layers) {
  const HeadPruning* pruning = root.weights().pruning();
  if (pruning == nullptr || pruning->removed.empty()) return;
  const std::int64_t last = pruning->removed.rbegin()->first;
  if (last >= layers)
    fail("prune heads: there is no layer {}; the model's layers are 0 to {}", last, layers - 1);
}

void keep_head_rows(const Module& module, ValueId heads, const KeptHeads& kept, std::int64_t size) {
  if (kept.removed.empty()) return;
  Graph& graph = module.builder().graph();
  const std::vector<ValueId> inputs = linear_before(graph, heads).inputs;
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    TensorSourcePtr source = weight_of(graph, inputs[i]).source;
    // Layers may share weights: they lose rows once.
    if (source->spec().rows() == kept.heads().count * size) continue;
    std::string name = source->spec().name;
    replace_source(graph, inputs[i], make_rows_source(std::move(name), std::move(source), kept.rows(size)));
  }
}

void keep_head_columns(const Module& module, ValueId output, const KeptHeads& kept) {
  Graph& graph = module.builder().graph();
  const std::vector<ValueId> inputs = linear_before(graph, output).inputs;
  const ValueId weight = inputs.at(1);
  if (std::ranges::any_of(graph.attentions, [&](const AttentionOutput& a) { return a.weight == weight; }))
    return;
  const bool add = inputs.size() > 2;
  graph.attentions.push_back({kept.layer, weight, kept.heads().count, kept.stored.size, add});
  if (kept.removed.empty()) return;
  const std::vector<std::int64_t> removed = removed_columns(kept);
  const TensorSourcePtr whole = weight_of(graph, weight).source;
  replace_source(graph, weight, make_kept_columns_source(whole, removed, kept.refit));
  if (!add || kept.refit == nullptr || kept.refit->shift.empty()) return;
  replace_source(graph, inputs[2],
                 make_refitted_bias_source(weight_of(graph, inputs[2]).source, whole, removed, kept.refit));
}

ValueId linear_to_heads(const Module& module, ValueId x, std::int64_t in, const KeptHeads& kept, Role role) {
  const ValueId heads = linear(module, x, in, kept.stored.width(), role);
  keep_head_rows(module, heads, kept, kept.stored.size);
  return heads;
}

ValueId linear_from_heads(const Module& module, ValueId x, const KeptHeads& kept, std::int64_t out) {
  const ValueId output = linear(module, x, kept.stored.width(), out, Role::kAttentionO);
  keep_head_columns(module, output, kept);
  return output;
}

}  // namespace bantam
