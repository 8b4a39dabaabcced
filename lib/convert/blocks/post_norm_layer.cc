#include "convert/blocks/post_norm_layer.h"

#include "convert/blocks/activation.h"
#include "convert/blocks/coupling.h"

namespace bantam {

ValueId post_norm_layer(const Module& layer, const PostNormNames& names, const EncoderConfig& config,
                        const AttentionHeads& heads, TokenInputs& inputs, ValueId x, ValueId bias) {
  const std::int64_t hidden = config.hidden;
  const Module attention = layer / names.attention;
  const ValueId q = linear(attention / names.query, x, hidden, heads.width(), Role::kAttentionQ);
  const ValueId k = linear(attention / names.key, x, hidden, heads.width(), Role::kAttentionK);
  const ValueId v = linear(attention / names.value, x, hidden, heads.width(), Role::kAttentionV);
  const ValueId mixed = attend(attention, inputs, q, k, v, bias, heads);
  const ValueId attended =
      linear(layer / names.attention_output, mixed, heads.width(), hidden, Role::kAttentionO);
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
                         TokenInputs& inputs, ValueId x, ValueId bias) {
  for (std::int64_t i = 0; i < config.layers; ++i) {
    x = post_norm_layer(encoder.item("layer", i), names, config, config.heads, inputs, x, bias);
  }
  return x;
}

}  // namespace bantam
