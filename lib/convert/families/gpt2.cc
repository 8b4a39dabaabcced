// GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019); names of transformers'
// modeling_gpt2.py. Its linear layers are Conv1D: stored [in, out].
#include <cmath>

#include "convert/blocks/gpt_model.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"gpt2"};

constexpr GptNames kNames = {.prefix = "transformer.",
                             .vocabulary = {.embedding = "wte", .head = "lm_head"},
                             .positions = "wpe",
                             .layers = "h",
                             .last_norm = "ln_f",
                             .attention_norm = "ln_1",
                             .mlp_norm = "ln_2",
                             .attention = "attn",
                             .output = "c_proj",
                             .expand = "mlp/c_fc",
                             .contract = "mlp/c_proj"};

constexpr GptKeys kKeys = {.hidden = "n_embd",
                           .layers = "n_layer",
                           .heads = "n_head",
                           .intermediate = "n_inner",
                           .activation = "activation_function",
                           .epsilon = "layer_norm_epsilon"};

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config& config = checkpoint.config;
  config.refuse_unless("add_cross_attention", "false");
  config.refuse_unless("is_causal", "true");
  DecoderConfig decoder = read_gpt_config(config, kKeys, "gelu_new", true);
  const bool scaled = config.boolean_or("scale_attn_weights", true);
  const bool by_layer = config.boolean_or("scale_attn_by_inverse_layer_idx", false);
  double layer_number = 1;
  for (DecoderConfig::Layer& layer : decoder.layers) {
    layer.score_scale = scaled ? 1 / std::sqrt(static_cast<double>(decoder.head_size)) : 1;
    if (by_layer) layer.score_scale /= layer_number++;
  }
  GptModel gpt;
  gpt.names = kNames;
  gpt.positions =
      config.integer(config.has("max_position_embeddings") ? "max_position_embeddings" : "n_positions");
  gpt.layout = WeightLayout::kInOut;
  gpt.buffers = {"*.attn.bias", "*.attn.masked_bias"};  // the causal mask, in old files
  gpt.project = [&decoder](const Module& attention, ValueId x) {
    const std::int64_t width = decoder.hidden;
    const FusedLinear fused(attention / "c_attn", width, 3 * width, LinearBias::kAdd, WeightLayout::kInOut);
    return QueryKeyValue{fused.linear(x, "q", {{0, width}}, Role::kAttentionQ),
                         fused.linear(x, "k", {{width, 2 * width}}, Role::kAttentionK),
                         fused.linear(x, "v", {{2 * width, 3 * width}}, Role::kAttentionV)};
  };
  return build_gpt("gpt2", checkpoint, decoder, gpt);
}

}  // namespace

const Architecture kGpt2 = {.family = "gpt2", .model_types = kTypes, .tasks = kDecoderTasks, .build = build};

}  // namespace bantam
