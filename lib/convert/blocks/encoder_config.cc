#include "convert/blocks/encoder_config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "convert/blocks/activation.h"

namespace bantam {

void refuse_other_graphs(const Config& config) {
  for (const std::string_view key : {"is_decoder", "add_cross_attention"}) {
    if (config.boolean_or(key, false)) {
      fail("{}: {} is true: a decoder, where an encoder was expected", config.path().string(), key);
    }
  }
  config.refuse_unless("position_embedding_type", "absolute");
  if (config.has("pruned_heads") && !config.json().at("pruned_heads").empty()) {
    fail("{}: pruned_heads is not empty: convert the checkpoint from before the pruning",
         config.path().string());
  }
}

AttentionHeads heads_of(const Config& config, std::int64_t width, std::string_view heads_key,
                        std::string_view width_key) {
  const std::int64_t count = config.integer(heads_key);
  if (width % count != 0) {
    fail("{}: {} is {}, which {} {} does not divide", config.path().string(), width_key, width, heads_key,
         count);
  }
  return {count, width / count};
}

EncoderConfig read_encoder_sizes(const Config& config, std::string_view default_activation) {
  refuse_other_graphs(config);
  EncoderConfig result;
  result.vocabulary = config.integer("vocab_size");
  result.positions = config.integer("max_position_embeddings");
  result.token_types = config.integer_or("type_vocab_size", 2, 1);
  result.hidden = config.integer("hidden_size");
  result.embedding = result.hidden;
  result.layers = config.integer("num_hidden_layers", 1, kMaxLayers);
  result.intermediate = config.integer("intermediate_size");
  result.norm.epsilon = config.number_or("layer_norm_eps", 1e-12);
  result.activation = activation_of(config, "hidden_act", default_activation);
  result.tied = config.boolean_or("tie_word_embeddings", true);
  return result;
}

EncoderConfig read_encoder_config(const Config& config, std::string_view default_activation) {
  EncoderConfig result = read_encoder_sizes(config, default_activation);
  result.heads = heads_of(config, result.hidden, "num_attention_heads", "hidden_size");
  return result;
}

std::int64_t label_count(const Config& config) {
  if (!config.has("id2label")) return config.integer_or("num_labels", 2, 1);
  const Json& labels = config.json().at("id2label");
  if (!labels.is_object() || labels.empty()) {
    fail("{}: id2label must map label numbers to names", config.path().string());
  }
  return static_cast<std::int64_t>(labels.size());
}

}  // namespace bantam
