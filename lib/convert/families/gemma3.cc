// Gemma 3, its text model (arXiv:2503.19786): Llama with norms behind attention and MLP too, scaled
// embeddings and a rotation of their own for layers with a window; names of transformers' modeling_gemma3.py.
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "convert/blocks/activation.h"
#include "convert/blocks/llama_layer.h"
#include "convert/families/families.h"

namespace bantam {
namespace {

constexpr std::string_view kTypes[] = {"gemma3_text"};
constexpr std::string_view kSliding = "sliding_attention";

// The type of every layer. Files of transformers 4 may have sliding_window_pattern instead: of so many layers
// the last attends to everything.
std::vector<std::string> types_of(const Config& config, std::size_t layers) {
  std::vector<std::string> types = layer_types(config, layers);
  const auto pattern = static_cast<std::size_t>(config.integer_or("sliding_window_pattern", 6, 1));
  while (types.size() < layers)
    types.emplace_back((types.size() + 1) % pattern == 0 ? "full_attention" : kSliding);
  return types;
}

// transformers 4 has rope_theta and rope_scaling for the layers without a window and rope_local_base_freq for
// the others, transformers 5 an object for each type of layer.
Rope rope_of(const Config& config, std::int64_t head_size, std::string_view type) {
  const bool sliding = type == kSliding;
  const double theta = sliding ? 10'000 : 1'000'000;
  if (!config.has("rope_parameters")) {
    if (!sliding) return read_rope(config, head_size, type, theta);
    const Json local = {{"rope_theta", config.number_or("rope_local_base_freq", theta)}};
    return read_rope(Config(config.path(), local), head_size, type);
  }
  const Json& parameters = config.json().at("rope_parameters");
  if (!parameters.is_object() || !parameters.contains(type)) {
    fail("{}: rope_parameters: an object with an entry for {} was expected", config.path().string(), type);
  }
  return read_rope(config, head_size, type, theta);
}

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config& config = checkpoint.config;
  for (const std::string_view cap : {"final_logit_softcapping", "attn_logit_softcapping"}) {
    if (config.has(cap)) fail("{}: {} is not supported", config.path().string(), cap);
  }
  config.refuse_unless("use_bidirectional_attention", "false");
  // Left out, they would mean other numbers than for Llama.
  for (const std::string_view key : {"num_key_value_heads", "head_dim"}) config.integer(key);
  DecoderConfig decoder = read_llama_config(config, true);
  decoder.norm.kind = NormKind::kRmsNormPlusOne;
  decoder.activation = activation_of(config, "hidden_activation", "gelu_pytorch_tanh");
  const double scalar = config.number_or("query_pre_attn_scalar", 256);
  if (!(scalar > 0))
    fail("{}: query_pre_attn_scalar is {}; it must be above 0", config.path().string(), scalar);
  decoder.score_scale = 1 / std::sqrt(scalar);
  const std::vector<std::string> types = types_of(config, decoder.layers.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    decoder.layers[i].rope = rope_of(config, decoder.head_size, types[i]);
    if (types[i] != kSliding) continue;
    const bool stated = config.json().contains("sliding_window");
    decoder.layers[i].window = stated ? config.integer("sliding_window") : 4096;
  }
  LlamaLayer layer;
  layer.head_norms = true;
  layer.output_norms = true;
  if (config.boolean_or("attention_bias", false)) layer.qkv_bias = layer.output_bias = LinearBias::kAdd;
  return build_llama("gemma3", checkpoint, decoder, layer, std::sqrt(static_cast<double>(decoder.hidden)));
}

}  // namespace

const Architecture kGemma3 = {
    .family = "gemma3", .model_types = kTypes, .tasks = kDecoderTasks, .build = build};

}  // namespace bantam
