#include "convert/blocks/kept_groups.h"

#include "base/error.h"

namespace bantam {

KeptHeads kept_groups(const Module& module, std::int64_t layer, const DecoderConfig& config) {
  return kept_heads(module, layer, {config.kv_heads, config.query_width() / config.kv_heads});
}

void check_pruned_groups(const Module& root, const DecoderConfig& config) {
  const std::int64_t layers = std::ssize(config.layers);
  check_pruned_layers(root, layers);
  const HeadPruning* pruning = root.weights().pruning();
  if (pruning == nullptr || pruning->removed.empty()) return;
  const auto loses = [&](std::int64_t layer) {
    const auto found = pruning->removed.find(layer);
    return found == pruning->removed.end() ? std::int64_t{0} : std::ssize(found->second);
  };
  for (std::int64_t layer = 1; layer < layers; ++layer) {
    if (loses(layer) == loses(0)) continue;
    fail(
        "prune heads: a decoder loses as many heads in every layer, because its caches have one shape; layer 0 would lose {}, "
        "layer {} {}",
        loses(0), layer, loses(layer));
  }
}

AttentionSizes keep_groups(const Module& module, const KeptHeads& kept, const DecoderConfig& config,
                           ValueId q, ValueId k, ValueId v) {
  keep_head_rows(module, q, kept, kept.stored.size);
  keep_head_rows(module, k, kept, config.head_size);
  keep_head_rows(module, v, kept, config.head_size);
  const std::int64_t groups = kept.heads().count;
  return {groups * (config.heads / config.kv_heads), groups};
}

}  // namespace bantam
