#include "convert/blocks/llama_layer.h"

#include "convert/blocks/activation.h"
#include "convert/blocks/cached_attention.h"
#include "convert/blocks/coupling.h"
#include "convert/blocks/fused_linear.h"
#include "convert/blocks/kept_groups.h"

namespace bantam {
namespace {

class LlamaBuilder {
 public:
  LlamaBuilder(const DecoderConfig& config, const LlamaLayer& kind, DecoderInputs& inputs)
      : config_(config), kind_(kind), inputs_(inputs) {}

  void layer(const Module& module, std::int64_t index, Residual& x) const {
    const ValueId normed = x.normalize(module / "input_layernorm", config_.hidden, config_.norm);
    const ValueId attended = attention(module / "self_attn", index, normed);
    // Gemma's names: what Llama calls post_attention_layernorm stands before the MLP.
    if (kind_.output_norms) {
      x.add(module, normalize(module / "post_attention_layernorm", attended, config_.hidden, config_.norm));
    } else {
      x.add(module, attended);
    }
    const std::string_view before =
        kind_.output_norms ? "pre_feedforward_layernorm" : "post_attention_layernorm";
    const ValueId expanded = mlp(module / "mlp", x.normalize(module / before, config_.hidden, config_.norm));
    if (kind_.output_norms) {
      x.add(module, normalize(module / "post_feedforward_layernorm", expanded, config_.hidden, config_.norm));
    } else {
      x.add(module, expanded);
    }
  }

 private:
  ValueId attention(const Module& module, std::int64_t index, ValueId x) const {
    const std::int64_t queries = config_.query_width();
    const std::int64_t keys = config_.key_width();
    ValueId q = kNoValue;
    ValueId k = kNoValue;
    ValueId v = kNoValue;
    if (kind_.fused) {
      const FusedLinear fused(module / "qkv_proj", config_.hidden, queries + 2 * keys, kind_.qkv_bias);
      q = fused.linear(x, "q", {{0, queries}}, Role::kAttentionQ);
      k = fused.linear(x, "k", {{queries, queries + keys}}, Role::kAttentionK);
      v = fused.linear(x, "v", {{queries + keys, queries + 2 * keys}}, Role::kAttentionV);
    } else {
      q = linear(module / "q_proj", x, config_.hidden, queries, Role::kAttentionQ, kind_.qkv_bias);
      k = linear(module / "k_proj", x, config_.hidden, keys, Role::kAttentionK, kind_.qkv_bias);
      v = linear(module / "v_proj", x, config_.hidden, keys, Role::kAttentionV, kind_.qkv_bias);
    }
    couple_norm(module, x);
    const KeptHeads kept = kept_groups(module, index, config_);
    const AttentionSizes sizes = keep_groups(module, kept, config_, q, k, v);
    const DecoderConfig::Layer& layer = config_.layers.at(static_cast<std::size_t>(index));
    const CoupledHeads coupled{.heads = sizes.heads,
                               .kv_heads = sizes.kv_heads,
                               .size = config_.head_size,
                               .rotated = layer.rope.width()};
    if (kind_.head_norms) {
      q = normalize_heads(module / "q_norm", q, sizes.heads, config_.head_size, config_.norm);
      k = normalize_heads(module / "k_norm", k, sizes.kv_heads, config_.head_size, config_.norm);
    }
    couple_scores(module, q, k, coupled);
    const ValueId mixed = attend_cached(module, inputs_, q, k, v,
                                        {.layer = index,
                                         .heads = sizes.heads,
                                         .kv_heads = sizes.kv_heads,
                                         .size = config_.head_size,
                                         .scale = config_.score_scale,
                                         .window = layer.window,
                                         .rope = &layer.rope});
    const ValueId output =
        linear(module / "o_proj", mixed, queries, config_.hidden, Role::kAttentionO, kind_.output_bias);
    keep_head_columns(module, output, kept);
    couple_values(module, v, output, coupled);
    return output;
  }

  ValueId mlp(const Module& module, ValueId x) const {
    const std::int64_t width = config_.intermediate;
    ValueId gate = kNoValue;
    ValueId up = kNoValue;
    if (kind_.fused) {
      const FusedLinear fused(module / "gate_up_proj", config_.hidden, 2 * width, kind_.mlp_bias);
      gate = fused.linear(x, "gate", {{0, width}}, Role::kMlpGate);
      up = fused.linear(x, "up", {{width, 2 * width}}, Role::kMlpUp);
    } else {
      gate = linear(module / "gate_proj", x, config_.hidden, width, Role::kMlpGate, kind_.mlp_bias);
      up = linear(module / "up_proj", x, config_.hidden, width, Role::kMlpUp, kind_.mlp_bias);
    }
    const ValueId gated = module.op("Mul", {activate(module, gate, config_.activation), up});
    const ValueId down =
        linear(module / "down_proj", gated, width, config_.hidden, Role::kMlpDown, kind_.mlp_bias);
    couple_norm(module, x);
    couple_product(module, up, down);
    return down;
  }

  const DecoderConfig& config_;
  const LlamaLayer& kind_;
  DecoderInputs& inputs_;
};

}  // namespace

ModelGraph build_llama(std::string_view family, const Checkpoint& checkpoint, const DecoderConfig& config,
                       const LlamaLayer& layer, double embedding_scale) {
  ModelGraph model = new_model(family, Task::kTextGeneration);
  Weights weights(checkpoint);
  weights.strip_prefix({"model."});
  const Module root(model.graph, weights);
  DecoderInputs inputs(root);
  const ValueId table = token_table(root, kLlamaNames, config);
  ValueId embedded = embed_ids(root, kLlamaNames, inputs, table, config.hidden);
  if (embedding_scale != 1) {
    const ValueId scale = root.builder().scalar(static_cast<float>(embedding_scale));
    embedded = (root / kLlamaNames.embedding).op("Mul", {embedded, scale});
  }
  check_pruned_groups(root, config);
  Residual x(embedded);
  const LlamaBuilder builder(config, layer, inputs);
  for (std::int64_t i = 0; i < std::ssize(config.layers); ++i) builder.layer(root.item("layers", i), i, x);
  output_logits(root, kLlamaNames, inputs, x.normalize(root / "norm", config.hidden, config.norm), table,
                config);
  weights.drop({"*rotary_emb.inv_freq"});
  weights.finish();
  return model;
}

}  // namespace bantam
