#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "convert/blocks/layers.h"
#include "convert/blocks/rope.h"
#include "convert/config.h"

namespace bantam {

// What config.json says about a text decoder.
struct DecoderConfig {
  std::int64_t vocabulary = 0;
  std::int64_t hidden = 0;
  std::int64_t intermediate = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_size = 0;
  double score_scale = 0;  // 0: 1 / sqrt(head_size)
  Norm norm;
  std::string activation;
  bool tied = false;  // the output layer is the word embedding
  struct Layer {
    std::int64_t window = 0;  // see CachedAttention
    double score_scale = 0;   // where it is the layer's own; 0: that of the model
    Rope rope;                // empty: none
  };
  std::vector<Layer> layers;

  std::int64_t query_width() const { return heads * head_size; }
  std::int64_t key_width() const { return kv_heads * head_size; }
};

// Reads the keys of Llama and of those that follow it, with RMS norms. Rotations and windows are for the
// family to add. Errors where the sizes make no model, where GroupQueryAttention has no kernel (heads that
// are no multiple of 8), and where tokens attend to later ones (is_causal).
DecoderConfig read_llama_config(const Config& config, bool default_tied,
                                std::string_view activation = "hidden_act",
                                std::string_view default_activation = "silu");
// num_attention_heads, num_key_value_heads (default: as many) and head_dim (default: hidden / heads).
void read_heads(const Config& config, DecoderConfig& decoder);
// Heads of families that know no groups and no other size than hidden / heads.
void read_equal_heads(const Config& config, DecoderConfig& decoder, std::string_view key);

// Gives all layers one rotation.
void rotate_all(DecoderConfig& decoder, const Rope& rope);

// Gives all layers the window `sliding_window`, which is `fallback` where the file has no such key; 0, and
// the value null: none. For families whose classes ignore layer_types.
void read_window(const Config& config, DecoderConfig& decoder, std::int64_t fallback);
// Gives every layer that config.json calls "sliding_attention" in layer_types, or without layer_types every
// one from `first` on, the window `sliding_window`, which is 4096 where the file has no such key. `enabled`
// false: no layer slides, and layer_types must not say otherwise.
void read_windows(const Config& config, DecoderConfig& decoder, bool enabled, std::int64_t first);
// layer_types of config.json, checked; empty when absent.
std::vector<std::string> layer_types(const Config& config, std::size_t layers);

}  // namespace bantam
