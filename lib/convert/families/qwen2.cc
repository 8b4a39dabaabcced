// Qwen2 and Qwen2.5 (arXiv:2407.10671): Llama with biases on queries, keys and values.
#include "convert/blocks/llama_layer.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"qwen2"};

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config& config = checkpoint.config;
  DecoderConfig decoder = read_llama_config(config, false);
  rotate_all(decoder, read_rope(config, decoder.head_size));
  read_windows(config, decoder, config.boolean_or("use_sliding_window", false),
               config.integer_or("max_window_layers", 28));
  LlamaLayer layer;
  layer.qkv_bias = LinearBias::kAdd;
  return build_llama("qwen2", checkpoint, decoder, layer);
}

}  // namespace

const Architecture kQwen2 = {
    .family = "qwen2", .model_types = kTypes, .tasks = kDecoderTasks, .build = build};

}  // namespace bantam
