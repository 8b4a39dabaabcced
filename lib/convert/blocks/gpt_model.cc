#include "convert/blocks/gpt_model.h"

#include "base/error.h"
#include "convert/blocks/activation.h"
#include "convert/blocks/cached_attention.h"
#include "convert/blocks/coupling.h"
#include "convert/blocks/encoder_config.h"
#include "convert/blocks/kept_groups.h"
#include "convert/blocks/residual.h"

namespace bantam {
namespace {

class GptBuilder {
 public:
  GptBuilder(const DecoderConfig& config, const GptModel& gpt, DecoderInputs& inputs)
      : config_(config), gpt_(gpt), inputs_(inputs) {}

  void layer(const Module& module, std::int64_t index, Residual& x) const {
    const GptNames& names = gpt_.names;
    const ValueId normed = x.normalize(module / names.attention_norm, config_.hidden, config_.norm);
    if (!gpt_.parallel) {
      x.add(module, attention(module / names.attention, index, normed));
      const ValueId again = x.normalize(module / names.mlp_norm, config_.hidden, config_.norm);
      x.add(module, mlp(module, again));
      for (const ValueId norm : {normed, again}) couple_norm(module, norm);
      return;
    }
    const ValueId also =
        names.mlp_norm.empty() ? normed : x.normalize(module / names.mlp_norm, config_.hidden, config_.norm);
    x.add(module, attention(module / names.attention, index, normed));
    x.add(module, mlp(module, also));
    couple_norm(module, normed);
    if (also != normed) couple_norm(module, also);
  }

 private:
  ValueId plain(const Module& module, ValueId x, std::int64_t in, std::int64_t out, Role role,
                LinearBias bias = LinearBias::kAdd) const {
    return gpt_.layout == WeightLayout::kInOut ? linear_in_out(module, x, in, out, role, bias)
                                               : linear(module, x, in, out, role, bias);
  }

  ValueId attention(const Module& module, std::int64_t index, ValueId x) const {
    const DecoderConfig::Layer& layer = config_.layers.at(static_cast<std::size_t>(index));
    const QueryKeyValue parts = gpt_.project(module, x);
    const KeptHeads kept = kept_groups(module, index, config_);
    const AttentionSizes sizes = keep_groups(module, kept, config_, parts.q, parts.k, parts.v);
    const ValueId mixed =
        attend_cached(module, inputs_, parts.q, parts.k, parts.v,
                      {.layer = index,
                       .heads = sizes.heads,
                       .kv_heads = sizes.kv_heads,
                       .size = config_.head_size,
                       .scale = layer.score_scale > 0 ? layer.score_scale : config_.score_scale,
                       .window = layer.window,
                       .rope = layer.rope.inverse_frequencies.empty() ? nullptr : &layer.rope});
    const ValueId output = plain(module / gpt_.names.output, mixed, config_.query_width(), config_.hidden,
                                 Role::kAttentionO, gpt_.output_bias);
    keep_head_columns(module, output, kept);
    const CoupledHeads coupled{.heads = sizes.heads,
                               .kv_heads = sizes.kv_heads,
                               .size = config_.head_size,
                               .rotated = layer.rope.width()};
    couple_scores(module, parts.q, parts.k, coupled);
    couple_values(module, parts.v, output, coupled);
    return output;
  }

  ValueId mlp(const Module& module, ValueId x) const {
    const ValueId expanded =
        plain(module / gpt_.names.expand, x, config_.hidden, config_.intermediate, Role::kMlpUp);
    const ValueId active = activate(module / gpt_.names.expand, expanded, config_.activation);
    return plain(module / gpt_.names.contract, active, config_.intermediate, config_.hidden, Role::kMlpDown);
  }

  const DecoderConfig& config_;
  const GptModel& gpt_;
  DecoderInputs& inputs_;
};

}  // namespace

DecoderConfig read_gpt_config(const Config& config, const GptKeys& keys, std::string_view default_activation,
                              bool default_tied) {
  constexpr GptKeys kCommon;
  const auto either = [&](std::string_view common, std::string_view own) {
    return config.has(common) ? common : own;
  };
  DecoderConfig result;
  result.vocabulary = config.integer("vocab_size");
  result.hidden = config.integer(either(kCommon.hidden, keys.hidden));
  result.intermediate = config.integer_or(keys.intermediate, 4 * result.hidden, 1);
  if (keys.groups) {
    read_heads(config, result);
  } else {
    read_equal_heads(config, result, either(kCommon.heads, keys.heads));
  }
  result.norm = {NormKind::kLayerNorm, config.number_or(keys.epsilon, 1e-5)};
  result.activation = activation_of(config, keys.activation, default_activation);
  result.tied = config.boolean_or("tie_word_embeddings", default_tied);
  const std::string_view layers = either(kCommon.layers, keys.layers);
  result.layers.resize(static_cast<std::size_t>(config.integer(layers, 1, kMaxLayers)));
  return result;
}

ModelGraph build_gpt(std::string_view family, const Checkpoint& checkpoint, const DecoderConfig& config,
                     const GptModel& gpt) {
  const GptNames& names = gpt.names;
  ModelGraph model = new_model(family, Task::kTextGeneration);
  Weights weights(checkpoint);
  weights.strip_prefix({names.prefix});
  const Module root(model.graph, weights);
  DecoderInputs inputs(root);
  const ValueId table = token_table(root, names.vocabulary, config);
  ValueId embedded = embed_ids(root, names.vocabulary, inputs, table, config.hidden);
  if (!names.positions.empty()) {
    const Module module = root / names.positions;
    const ValueId learned =
        embedding(module, inputs.positions(), gpt.positions, config.hidden, Role::kPositionEmbedding);
    const ValueId rows = module.op("Reshape", {learned, module.builder().constant({-1, config.hidden})});
    embedded = module.op("Add", {embedded, rows});
  }
  if (gpt.fixed_heads && weights.pruning() != nullptr) {
    fail("{}: heads that are normalized one by one (qk_layernorm) cannot be pruned",
         checkpoint.config.path().string());
  }
  check_pruned_groups(root, config);
  Residual x(embedded);
  const GptBuilder builder(config, gpt, inputs);
  for (std::int64_t i = 0; i < std::ssize(config.layers); ++i)
    builder.layer(root.item(names.layers, i), i, x);
  output_logits(root, names.vocabulary, inputs,
                x.normalize(root / names.last_norm, config.hidden, config.norm), table, config,
                gpt.head_bias);
  for (const std::string_view buffer : gpt.buffers) weights.drop({buffer});
  weights.finish();
  return model;
}

}  // namespace bantam
