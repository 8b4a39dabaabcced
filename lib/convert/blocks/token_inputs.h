#pragma once

#include <cstdint>
#include <vector>

#include "convert/blocks/module.h"
#include "convert/blocks/token_shapes.h"

namespace bantam {

enum class TokenTypes { kNone, kInput };

// The inputs of a text encoder, int64 [batch_size, sequence_length], and what every block derives from them.
// Derived values are made at first use and shared.
class TokenInputs {
 public:
  TokenInputs(const Module& root, TokenTypes token_types);

  ValueId ids() const { return ids_; }
  ValueId mask() const { return mask_; }
  ValueId types() const { return types_; }  // kNoValue for TokenTypes::kNone

  // int64 [2 + tail.size()]: batch_size, sequence_length, then `tail`. For Reshape.
  ValueId shape(const std::vector<std::int64_t>& tail);
  // int64 [sequence_length]: 0, 1, 2, ...
  ValueId range();

 private:
  Module root_;
  ValueId ids_ = kNoValue;
  ValueId mask_ = kNoValue;
  ValueId types_ = kNoValue;
  ValueId range_ = kNoValue;
  TokenShapes shapes_;
};

// Positions that count the tokens that are not padding, as RoBERTa and MPNet number them: padding_id for
// padding, padding_id + 1, padding_id + 2, ... for the others. int64 [batch_size, sequence_length].
ValueId positions_after_padding(const Module& module, const TokenInputs& inputs, std::int64_t padding_id);

// What attention scores [batch_size, heads, sequence_length, sequence_length] get added:
// [batch_size, 1, 1, sequence_length], 0 where a token may be attended to and the lowest finite float
// elsewhere. The lowest value absorbs any score, so that a row without a single token attends evenly, as in
// PyTorch, and never yields NaN. It is one constant, "/constant/mask_lowest", for a pass to replace where the
// type is narrower.
ValueId attention_bias(const Module& root, const TokenInputs& inputs);

// x as [batch_size, sequence_length, width], from rows [batch_size * sequence_length, width].
ValueId by_sequence(const Module& module, TokenInputs& inputs, ValueId rows, std::int64_t width);
// The inverse: rows [batch_size * sequence_length, width].
ValueId by_row(const Module& module, ValueId x, std::int64_t width);
// The first token of every sequence, [batch_size, width], from rows.
ValueId first_token(const Module& module, TokenInputs& inputs, ValueId rows, std::int64_t width);

}  // namespace bantam
