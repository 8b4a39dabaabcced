#include "convert/blocks/decoder_config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "convert/blocks/activation.h"
#include "convert/blocks/encoder_config.h"

namespace bantam {

namespace {

constexpr std::string_view kHeads = "num_attention_heads";

void check_division(const Config& config, const DecoderConfig& decoder, std::string_view key) {
  if (decoder.hidden % decoder.heads == 0) return;
  fail("{}: hidden_size is {}, which {} {} does not divide", config.path().string(), decoder.hidden, key,
       decoder.heads);
}

void check_head_size(const Config& config, const DecoderConfig& decoder) {
  if (decoder.head_size % 8 == 0) return;
  fail("{}: heads have {} elements; onnxruntime's GroupQueryAttention takes multiples of 8 only",
       config.path().string(), decoder.head_size);
}

}  // namespace

void read_heads(const Config& config, DecoderConfig& decoder) {
  decoder.heads = config.integer(kHeads);
  decoder.kv_heads = config.integer_or("num_key_value_heads", decoder.heads, 1);
  if (decoder.heads % decoder.kv_heads != 0) {
    fail("{}: num_attention_heads is {}, which num_key_value_heads {} does not divide",
         config.path().string(), decoder.heads, decoder.kv_heads);
  }
  if (!config.has("head_dim")) check_division(config, decoder, kHeads);
  decoder.head_size = config.integer_or("head_dim", decoder.hidden / decoder.heads, 1, 1 << 16);
  check_head_size(config, decoder);
}

void read_equal_heads(const Config& config, DecoderConfig& decoder, std::string_view key) {
  decoder.heads = decoder.kv_heads = config.integer(key);
  check_division(config, decoder, key);
  decoder.head_size = decoder.hidden / decoder.heads;
  check_head_size(config, decoder);
}

DecoderConfig read_llama_config(const Config& config, bool default_tied, std::string_view activation,
                                std::string_view default_activation) {
  config.refuse_unless("is_causal", "true");
  DecoderConfig result;
  result.vocabulary = config.integer("vocab_size");
  result.hidden = config.integer("hidden_size");
  result.intermediate = config.integer("intermediate_size");
  read_heads(config, result);
  result.norm = {NormKind::kRmsNorm, config.number_or("rms_norm_eps", 1e-6)};
  result.activation = activation_of(config, activation, default_activation);
  result.tied = config.boolean_or("tie_word_embeddings", default_tied);
  result.layers.resize(static_cast<std::size_t>(config.integer("num_hidden_layers", 1, kMaxLayers)));
  return result;
}

void rotate_all(DecoderConfig& decoder, const Rope& rope) {
  for (DecoderConfig::Layer& layer : decoder.layers) layer.rope = rope;
}

void read_window(const Config& config, DecoderConfig& decoder, std::int64_t fallback) {
  constexpr std::string_view kWindow = "sliding_window";
  if (config.json().contains(kWindow) && !config.has(kWindow)) return;
  const std::int64_t window = config.has(kWindow) ? config.integer(kWindow) : fallback;
  for (DecoderConfig::Layer& layer : decoder.layers) layer.window = window;
}

std::vector<std::string> layer_types(const Config& config, std::size_t layers) {
  if (!config.has("layer_types")) return {};
  const Json& list = config.json().at("layer_types");
  if (!list.is_array() || list.size() != layers) {
    fail("{}: layer_types: a list of {} names, one for each layer, was expected", config.path().string(),
         layers);
  }
  std::vector<std::string> types;
  for (const Json& entry : list) {
    const std::string type = entry.is_string() ? entry.get<std::string>() : entry.dump();
    if (type != "full_attention" && type != "sliding_attention") {
      fail("{}: layer_types: {} is not supported; known: full_attention, sliding_attention",
           config.path().string(), quote(type));
    }
    types.push_back(type);
  }
  return types;
}

void read_windows(const Config& config, DecoderConfig& decoder, bool enabled, std::int64_t first) {
  const std::vector<std::string> types = layer_types(config, decoder.layers.size());
  const bool window = enabled && (config.has("sliding_window") || !config.json().contains("sliding_window"));
  for (std::size_t i = 0; i < decoder.layers.size(); ++i) {
    const bool slides = types.empty() ? std::int64_t(i) >= first && window : types[i] == "sliding_attention";
    if (!slides) continue;
    if (!window) {
      fail("{}: layer_types has sliding_attention, and no window is set", config.path().string());
    }
    decoder.layers[i].window = config.integer_or("sliding_window", 4096, 1);
  }
}

}  // namespace bantam
