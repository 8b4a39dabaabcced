#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "convert/blocks/module.h"
#include "convert/blocks/rope.h"
#include "convert/blocks/token_shapes.h"

namespace bantam {

// Keys and values of the tokens before, of one layer.
struct CacheInputs {
  ValueId key = kNoValue;    // [batch_size, kv heads, past_sequence_length, head size]
  ValueId value = kNoValue;  // likewise
};

// The inputs of a text decoder as transformers.js feeds them, and what every block derives from them; derived
// values are made at first use and shared.
//   input_ids, position_ids  int64 [batch_size, sequence_length]
//   attention_mask           int64 [batch_size, past_sequence_length + sequence_length]
//   num_logits_to_keep       int64 scalar: logits of that many last positions; 0: of all
//   past_key_values.{i}.key, .value
class DecoderInputs {
 public:
  explicit DecoderInputs(const Module& root);

  ValueId ids() const { return ids_; }
  ValueId positions() const { return positions_; }
  ValueId logits_to_keep() const { return keep_; }

  // Declares past_key_values.{layer}.key and .value. Of the names of axes transformers.js knows `batch_size`;
  // it makes the first, empty cache by setting the others to 0.
  CacheInputs cache(std::int64_t layer, std::int64_t heads, std::int64_t size) const;

  // int64 [2 + tail.size()]: batch_size, sequence_length, then `tail`. For Reshape.
  ValueId shape(const std::vector<std::int64_t>& tail);
  // int64 [1]: batch_size.
  ValueId batch();

  // What GroupQueryAttention asks for: int32 [batch_size], the last key of each sequence, and int32 scalar,
  // the number of keys. Every sequence has all keys; padding is in the bias, because the operator would take
  // seqlens_k for padding on the right.
  ValueId last_key();
  ValueId total_length();
  // Added to attention scores, [batch_size, 1, sequence_length, total]: 0 where a token may be attended to
  // and the lowest finite float at padding (as token_inputs.h: /constant/mask_lowest) and, with `window` > 0,
  // at tokens `window` or more before. Later tokens are the operator's to leave out.
  ValueId bias(std::int64_t window);

  // rope.magnitude * cos and sin of position * frequency, [batch_size * sequence_length, rope.width() / 2],
  // in float32: half precision has no room for the angles. `rows` numbers them, int64 [batch_size,
  // sequence_length].
  struct Turns {
    ValueId cos = kNoValue;
    ValueId sin = kNoValue;
    ValueId rows = kNoValue;
  };
  Turns turns(const Rope& rope);

 private:
  ValueId total();                                              // int64 scalar: past and new tokens
  ValueId length();                                             // int64 scalar: new tokens
  ValueId padding();                                            // [batch_size, 1, 1, total]
  ValueId frequencies(const Module& module, const Rope& rope);  // [rope.width() / 2]

  Module root_;
  ValueId ids_ = kNoValue;
  ValueId mask_ = kNoValue;
  ValueId positions_ = kNoValue;
  ValueId keep_ = kNoValue;
  ValueId batch_ = kNoValue;
  ValueId total_ = kNoValue;
  ValueId length_ = kNoValue;
  ValueId padding_ = kNoValue;
  ValueId last_key_ = kNoValue;
  ValueId total_length_ = kNoValue;
  TokenShapes shapes_;
  std::map<std::int64_t, ValueId> biases_;
  std::map<std::vector<float>, Turns> turns_;
};

}  // namespace bantam
