#include "convert/blocks/post_norm_layer.h"

#include <utility>

#include "convert/blocks/activation.h"
#include "convert/blocks/coupling.h"
#include "convert/blocks/kept_heads.h"

namespace bantam {
namespace {

// The bias of the heads that stay.
ValueId bias_of(const Module& module, const ScoreBias& bias, const KeptHeads& kept) {
  if (kept.removed.empty() || !bias.by_head) return bias.value;
  std::vector<std::int64_t> heads;
  for (const RowRange& range : kept.rows(1)) {
    for (std::int64_t head = range.begin; head < range.end; ++head) heads.push_back(head);
  }
  return module.op("Gather", {bias.value, module.builder().constant(std::span(std::as_const(heads)))},
                   {{"axis", std::int64_t{1}}});
}

}  // namespace

ValueId post_norm_layer(const Module& layer, const PostNormNames& names, const EncoderConfig& config,
                        std::int64_t index, TokenInputs& inputs, ValueId x, const ScoreBias& bias) {
  const std::int64_t hidden = config.hidden;
  const KeptHeads kept = kept_heads(layer, index, config.heads);
  const Module attention = layer / names.attention;
  const ValueId q = linear_to_heads(attention / names.query, x, hidden, kept, Role::kAttentionQ);
  const ValueId k = linear_to_heads(attention / names.key, x, hidden, kept, Role::kAttentionK);
  const ValueId v = linear_to_heads(attention / names.value, x, hidden, kept, Role::kAttentionV);
  const AttentionHeads heads = kept.heads();
  const ValueId mixed = attend(attention, inputs, q, k, v, bias_of(attention, bias, kept), heads);
  const ValueId attended = linear_from_heads(layer / names.attention_output, mixed, kept, hidden);
  const CoupledHeads coupled{.heads = heads.count, .kv_heads = heads.count, .size = heads.size};
  couple_scores(attention, q, k, coupled);
  couple_values(attention, v, attended, coupled);
  x = add_and_normalize(layer / names.attention_norm, attended, x, hidden, config.norm);

  const Module up = layer / names.up;
  const ValueId wide =
      activate(up, linear(up, x, hidden, config.intermediate, Role::kMlpUp), config.activation);
  const ValueId narrow = linear(layer / names.down, wide, config.intermediate, hidden, Role::kMlpDown);
  return add_and_normalize(layer / names.output_norm, narrow, x, hidden, config.norm);
}

ValueId post_norm_layers(const Module& encoder, const PostNormNames& names, const EncoderConfig& config,
                         TokenInputs& inputs, ValueId x, const ScoreBias& bias) {
  check_pruned_layers(encoder, config.layers);
  for (std::int64_t i = 0; i < config.layers; ++i) {
    x = post_norm_layer(encoder.item("layer", i), names, config, i, inputs, x, bias);
  }
  return x;
}

}  // namespace bantam
