// Llama (arXiv:2302.13971) with its descendants of the same graph: SmolLM2, Llama 3.x, Mistral
// (arXiv:2310.06825); names of transformers' modeling_llama.py.
#include "convert/blocks/llama_layer.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"llama", "mistral"};

LinearBias bias_if(bool present) {
  return present ? LinearBias::kAdd : LinearBias::kNone;
}

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config& config = checkpoint.config;
  const bool llama = config.model_type() == "llama";
  DecoderConfig decoder = read_llama_config(config, false);
  rotate_all(decoder, read_rope(config, decoder.head_size));
  LlamaLayer layer;
  if (llama) {
    config.refuse_unless("pretraining_tp", "1");
    layer.qkv_bias = layer.output_bias = bias_if(config.boolean_or("attention_bias", false));
    layer.mlp_bias = bias_if(config.boolean_or("mlp_bias", false));
  } else {
    read_window(config, decoder, 4096);
  }
  return build_llama("llama", checkpoint, decoder, layer);
}

}  // namespace

const Architecture kLlama = {
    .family = "llama", .model_types = kTypes, .tasks = kDecoderTasks, .build = build};

}  // namespace bantam
