#pragma once

#include <cstdint>
#include <string>

#include "convert/blocks/attention.h"
#include "convert/blocks/layers.h"
#include "convert/config.h"

namespace bantam {

// What config.json says about a text encoder, in BERT's terms.
struct EncoderConfig {
  std::int64_t vocabulary = 0;
  std::int64_t positions = 0;
  std::int64_t token_types = 0;
  std::int64_t embedding = 0;  // width of the embedding tables
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t intermediate = 0;
  AttentionHeads heads;
  Norm norm;
  std::string activation;
  bool tied = true;  // the masked-language head's output layer is the word embedding
};

// Reads the keys of BERT and of those that follow it. `embedding` is the hidden size; families that keep them
// apart set it. Refuses what would need another graph: decoders, cross-attention, relative positions, pruned
// heads.
EncoderConfig read_encoder_config(const Config& config, std::string_view default_activation = "gelu");
// The same without `heads`, for families whose attention is not as wide as the hidden size.
EncoderConfig read_encoder_sizes(const Config& config, std::string_view default_activation);
void refuse_other_graphs(const Config& config);

// heads that divide `width` evenly; names `heads_key` and `width_key` otherwise.
AttentionHeads heads_of(const Config& config, std::int64_t width, std::string_view heads_key,
                        std::string_view width_key);

// Number of labels of a classification head: id2label, else num_labels, else 2.
std::int64_t label_count(const Config& config);

inline constexpr std::int64_t kMaxLayers = 1024;

}  // namespace bantam
