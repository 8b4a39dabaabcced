#pragma once

#include <string_view>

#include "convert/blocks/encoder_config.h"

namespace bantam {

// Where a family keeps the parts of a transformer layer; paths below the layer, q, k and v below `attention`.
struct PostNormNames {
  std::string_view attention;
  std::string_view query;
  std::string_view key;
  std::string_view value;
  std::string_view attention_output;
  std::string_view attention_norm;
  std::string_view up;
  std::string_view down;
  std::string_view output_norm;
};

// BERT's, and those of the families that were written after it.
inline constexpr PostNormNames kBertLayer = {
    .attention = "attention/self",
    .query = "query",
    .key = "key",
    .value = "value",
    .attention_output = "attention/output/dense",
    .attention_norm = "attention/output/LayerNorm",
    .up = "intermediate/dense",
    .down = "output/dense",
    .output_norm = "output/LayerNorm",
};

// What attention scores [batch_size, heads, sequence_length, sequence_length] get added; `by_head`: its
// second dimension is heads, each has a bias of its own.
struct ScoreBias {
  ValueId value = kNoValue;
  bool by_head = false;
};

// One encoder layer of the original transformer (arXiv:1706.03762, section 3.1), normalizing after each
// residual: x = norm(attention(x) + x); x = norm(down(activation(up(x))) + x), over rows [batch_size *
// sequence_length, hidden]. The width of config.heads need not be the hidden size; layer number `index` may
// have lost some of them (kept_heads.h).
ValueId post_norm_layer(const Module& layer, const PostNormNames& names, const EncoderConfig& config,
                        std::int64_t index, TokenInputs& inputs, ValueId x, const ScoreBias& bias);
// config.layers of them, each with config.heads: encoder / "layer.0", "layer.1", ...
ValueId post_norm_layers(const Module& encoder, const PostNormNames& names, const EncoderConfig& config,
                         TokenInputs& inputs, ValueId x, const ScoreBias& bias);

}  // namespace bantam
