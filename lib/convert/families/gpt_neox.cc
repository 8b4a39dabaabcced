// GPT-NeoX (arXiv:2204.06745) and Pythia (arXiv:2304.01373): part of every head turns by position, and
// attention and MLP mostly run side by side. Names of transformers' modeling_gpt_neox.py.
#include "base/error.h"
#include "convert/blocks/gpt_model.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"gpt_neox"};

constexpr GptNames kNames = {.prefix = "gpt_neox.",
                             .vocabulary = {.embedding = "embed_in", .head = "embed_out"},
                             .layers = "layers",
                             .last_norm = "final_layer_norm",
                             .attention_norm = "input_layernorm",
                             .mlp_norm = "post_attention_layernorm",
                             .attention = "attention",
                             .output = "dense",
                             .expand = "mlp/dense_h_to_4h",
                             .contract = "mlp/dense_4h_to_h"};

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config& config = checkpoint.config;
  config.refuse_unless("is_causal", "true");
  DecoderConfig decoder = read_gpt_config(config, {}, "gelu", false);
  decoder.intermediate = config.integer("intermediate_size");
  // It changes no size there, only how much of a head turns.
  if (const auto size = config.integer_or("head_dim", decoder.head_size, 1); size != decoder.head_size) {
    fail("{}: head_dim is {}, and heads of gpt_neox have hidden_size / num_attention_heads, {} elements",
         config.path().string(), size, decoder.head_size);
  }
  rotate_all(decoder,
             read_rope(config, decoder.head_size,
                       {.theta = "rotary_emb_base", .partial = "rotary_pct", .default_partial = 0.25}));
  const LinearBias bias = config.boolean_or("attention_bias", true) ? LinearBias::kAdd : LinearBias::kNone;
  GptModel gpt;
  gpt.names = kNames;
  if (checkpoint.tensors.contains("lm_head.weight")) gpt.names.vocabulary.head = "lm_head";
  gpt.output_bias = bias;
  gpt.parallel = config.boolean_or("use_parallel_residual", true);
  gpt.buffers = {"*.attention.bias", "*.attention.masked_bias", "*rotary_emb.inv_freq"};
  gpt.project = [&decoder, bias](const Module& attention, ValueId x) {
    const std::int64_t width = decoder.hidden;
    const std::int64_t size = decoder.head_size;
    const FusedLinear fused(attention / "query_key_value", width, 3 * width, bias);
    // Rows are stored head by head, each with those of query, key and value.
    const auto rows = [&](std::int64_t which) {
      std::vector<RowRange> ranges;
      for (std::int64_t head = 0; head < decoder.heads; ++head)
        ranges.push_back({(3 * head + which) * size, (3 * head + which + 1) * size});
      return ranges;
    };
    return QueryKeyValue{fused.linear(x, "q", rows(0), Role::kAttentionQ),
                         fused.linear(x, "k", rows(1), Role::kAttentionK),
                         fused.linear(x, "v", rows(2), Role::kAttentionV)};
  };
  return build_gpt("gpt_neox", checkpoint, decoder, gpt);
}

}  // namespace

const Architecture kGptNeoX = {
    .family = "gpt_neox", .model_types = kTypes, .tasks = kDecoderTasks, .build = build};

}  // namespace bantam
