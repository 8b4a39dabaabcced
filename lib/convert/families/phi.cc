// Phi-1, Phi-1.5 and Phi-2 (arXiv:2306.11644, arXiv:2309.05463): one norm in front of attention and MLP,
// which run side by side. Names of transformers' modeling_phi.py.
#include <cmath>

#include "convert/blocks/gpt_model.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"phi"};

constexpr GptNames kNames = {.prefix = "model.",
                             .vocabulary = {.embedding = "embed_tokens", .head = "lm_head"},
                             .layers = "layers",
                             .last_norm = "final_layernorm",
                             .attention_norm = "input_layernorm",
                             .attention = "self_attn",
                             .output = "dense",
                             .expand = "mlp/fc1",
                             .contract = "mlp/fc2"};

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config& config = checkpoint.config;
  config.refuse_unless("is_causal", "true");
  DecoderConfig decoder = read_gpt_config(config, {.groups = true}, "gelu_new", false);
  decoder.intermediate = config.integer("intermediate_size");
  // The queries are scaled, not the scores: products of the trained ones reach beyond float16.
  decoder.score_scale = 1;
  rotate_all(decoder, read_rope(config, decoder.head_size,
                                {.partial = "partial_rotary_factor", .default_partial = 0.5}));
  const bool head_norms = config.boolean_or("qk_layernorm", false);
  GptModel gpt;
  gpt.names = kNames;
  gpt.head_bias = LinearBias::kAdd;
  gpt.parallel = true;
  gpt.fixed_heads = head_norms;
  gpt.buffers = {"*rotary_emb.inv_freq"};
  gpt.project = [&decoder, head_norms](const Module& attention, ValueId x) {
    const auto project = [&](std::string_view name, std::int64_t heads, Role role) {
      return linear(attention / name, x, decoder.hidden, heads * decoder.head_size, role);
    };
    QueryKeyValue parts = {project("q_proj", decoder.heads, Role::kAttentionQ),
                           project("k_proj", decoder.kv_heads, Role::kAttentionK),
                           project("v_proj", decoder.kv_heads, Role::kAttentionV)};
    if (head_norms) {
      parts.q =
          normalize_heads(attention / "q_layernorm", parts.q, decoder.heads, decoder.head_size, decoder.norm);
      parts.k = normalize_heads(attention / "k_layernorm", parts.k, decoder.kv_heads, decoder.head_size,
                                decoder.norm);
    }
    const double scale = 1 / std::sqrt(static_cast<double>(decoder.head_size));
    parts.q = attention.op("Mul", {parts.q, attention.builder().scalar(static_cast<float>(scale))});
    return parts;
  };
  return build_gpt("phi", checkpoint, decoder, gpt);
}

}  // namespace

const Architecture kPhi = {.family = "phi", .model_types = kTypes, .tasks = kDecoderTasks, .build = build};

}  // namespace bantam
