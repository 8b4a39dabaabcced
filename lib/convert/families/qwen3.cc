// Qwen3 (arXiv:2505.09388): Llama with heads normalized before they turn, of a size of their own.
#include "base/error.h"
#include "convert/blocks/llama_layer.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"qwen3"};

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config& config = checkpoint.config;
  DecoderConfig decoder = read_llama_config(config, false);
  // The configuration class has a head size of its own, not hidden / heads; a file without it means 128.
  if (!config.has("head_dim") && decoder.head_size != 128) {
    fail("{}: head_dim is missing, which for qwen3 means 128, not {}", config.path().string(),
         decoder.head_size);
  }
  rotate_all(decoder, read_rope(config, decoder.head_size));
  read_windows(config, decoder, config.boolean_or("use_sliding_window", false),
               config.integer_or("max_window_layers", 28));
  LlamaLayer layer;
  layer.head_norms = true;
  if (config.boolean_or("attention_bias", false)) layer.qkv_bias = layer.output_bias = LinearBias::kAdd;
  return build_llama("qwen3", checkpoint, decoder, layer);
}

}  // namespace

const Architecture kQwen3 = {
    .family = "qwen3", .model_types = kTypes, .tasks = kDecoderTasks, .build = build};

}  // namespace bantam
