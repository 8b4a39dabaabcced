// Gemma 3, its text model (arXiv:2503.19786): Llama with norms behind attention and MLP too, scaled
// embeddings and a rotation of their own for layers with a window; names of transformers' modeling_gemma3.py.
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
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

Json object_at(const Config& config, const Json& json, std::string_view key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return Json::object();
  if (!found->is_object()) fail("{}: {}: an object was expected", config.path().string(), key);
  return *found;
}

// transformers 4 has rope_theta and rope_scaling for the layers without a window and rope_local_base_freq for
// the others, transformers 5 an object for each type of layer, which it overwrites with rope_scaling. Given
// is one layer's own config.json.
Config rope_config(const Config& config, std::string_view type) {
  const std::string where = config.path().string();
  const Json scaling = object_at(config, config.json(), "rope_scaling");
  // transformers sets rope_type before it looks for the type of old files.
  if (scaling.contains("type") && !scaling.contains("rope_type"))
    fail("{}: rope_scaling: type is not read for gemma3_text; write rope_type", where);
  Json own = config.json();
  for (const char* key : {"rope_scaling", "original_max_position_embeddings"}) own.erase(key);
  const bool sliding = type == kSliding;
  if (sliding) own["rope_theta"] = config.number_or("rope_local_base_freq", 10'000);
  if (!config.has("rope_parameters")) {
    own["rope_parameters"] = sliding ? Json::object() : scaling;
    return {config.path(), std::move(own)};
  }
  const Json& all = config.json().at("rope_parameters");
  if (!all.is_object() || !all.contains(type))
    fail("{}: rope_parameters: an object with an entry for {} was expected", where, type);
  const Json parameters = object_at(config, all, type);
  for (const auto& [key, value] : scaling.items()) {
    if (sliding || (parameters.contains(key) && parameters.at(key) == value)) continue;
    fail(
        "{}: rope_scaling: {} differs from rope_parameters, and only one of them can be meant; leave out the other",
        where, key);
  }
  own["rope_parameters"] = parameters;
  return {config.path(), std::move(own)};
}

ModelGraph build(const Checkpoint& checkpoint, Task) {
  const Config& config = checkpoint.config;
  for (const std::string_view cap : {"final_logit_softcapping", "attn_logit_softcapping"}) {
    if (config.has(cap)) fail("{}: {} is not supported", config.path().string(), cap);
  }
  config.refuse_unless("use_bidirectional_attention", "false");
  // Left out, they would mean other numbers than for Llama.
  for (const std::string_view key : {"num_key_value_heads", "head_dim"}) config.integer(key);
  DecoderConfig decoder = read_llama_config(config, true, "hidden_activation", "gelu_pytorch_tanh");
  decoder.norm.kind = NormKind::kRmsNormPlusOne;
  const double scalar = config.number_or("query_pre_attn_scalar", 256);
  if (!(scalar > 0))
    fail("{}: query_pre_attn_scalar is {}; it must be above 0", config.path().string(), scalar);
  decoder.score_scale = 1 / std::sqrt(scalar);
  const std::vector<std::string> types = types_of(config, decoder.layers.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    decoder.layers[i].rope =
        read_rope(rope_config(config, types[i]), decoder.head_size, {.default_theta = 1'000'000});
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
