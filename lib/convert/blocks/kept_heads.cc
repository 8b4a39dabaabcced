#include "convert/blocks/kept_heads.h"

#include <algorithm>

#include "base/error.h"
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

ValueId declare_rows(const Module& module, std::string_view leaf, const Shape& stored, Role role, const KeptHeads& kept) {
  return module.weight(leaf, stored, role, [&](TensorSourcePtr source) {
    std::string name = source->spec().name;
    return make_rows_source(std::move(name), std::move(source), kept.rows(kept.stored.size));
  });
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
    fail("prune heads: layer {} has no head {}; its heads are 0 to {}", layer, kept.removed.back(), stored.count - 1);
  }
  if (std::ssize(kept.removed) >= stored.count) {
    fail("prune heads: all {} heads of layer {} would leave; one must stay", stored.count, layer);
  }
  if (const auto refit = pruning->refits.find(layer); refit != pruning->refits.end()) kept.refit = refit->second;
  return kept;
}

void check_pruned_layers(const Module& root, std::int64_t layers) {
  const HeadPruning* pruning = root.weights().pruning();
  if (pruning == nullptr || pruning->removed.empty()) return;
  const std::int64_t last = pruning->removed.rbegin()->first;
  if (last >= layers) fail("prune heads: there is no layer {}; the model's layers are 0 to {}", last, layers - 1);
}

ValueId linear_to_heads(const Module& module, ValueId x, std::int64_t in, const KeptHeads& kept, Role role,
                        LinearBias bias) {
  const std::int64_t out = kept.stored.width();
  if (kept.removed.empty()) return linear(module, x, in, out, role, bias);
  const ValueId weight = declare_rows(module, "weight", {out, in}, role, kept);
  return linear(module, x, weight,
                bias == LinearBias::kAdd ? declare_rows(module, "bias", {out}, Role::kBias, kept) : kNoValue);
}

ValueId linear_from_heads(const Module& module, ValueId x, const KeptHeads& kept, std::int64_t out, LinearBias bias) {
  const Shape stored = {out, kept.stored.width()};
  const bool add = bias == LinearBias::kAdd;
  ValueId weight = kNoValue;
  ValueId shift = kNoValue;
  if (kept.removed.empty()) {
    weight = module.weight("weight", stored, Role::kAttentionO);
    if (add) shift = module.weight("bias", {out}, Role::kBias);
  } else {
    const std::vector<std::int64_t> removed = removed_columns(kept);
    TensorSourcePtr whole;
    weight = module.weight("weight", stored, Role::kAttentionO, [&](TensorSourcePtr source) {
      whole = source;
      return make_kept_columns_source(std::move(source), removed, kept.refit);
    });
    if (add) {
      shift = module.weight("bias", {out}, Role::kBias, [&](TensorSourcePtr source) {
        if (kept.refit == nullptr || kept.refit->shift.empty()) return source;
        return make_refitted_bias_source(std::move(source), whole, removed, kept.refit);
      });
    }
  }
  std::vector<AttentionOutput>& attentions = module.builder().graph().attentions;
  const bool known = std::ranges::any_of(attentions, [&](const AttentionOutput& a) { return a.weight == weight; });
  if (!known) attentions.push_back({kept.layer, weight, kept.heads().count, kept.stored.size, add});
  return linear(module, x, weight, shift);
}

}  // namespace bantam
