#pragma once

#include <cstdint>

#include "convert/blocks/token_inputs.h"

namespace bantam {

// Multi-head attention (arXiv:1706.03762, section 3.2) of rows [batch_size * sequence_length, heads *
// head_size]: softmax(q k^T / sqrt(head_size) + bias) v, again as rows. The width need not be the hidden
// size. `bias` broadcasts to [batch_size, heads, sequence_length, sequence_length].
struct AttentionHeads {
  std::int64_t count = 0;
  std::int64_t size = 0;
  std::int64_t width() const { return count * size; }
};
ValueId attend(const Module& module, TokenInputs& inputs, ValueId q, ValueId k, ValueId v, ValueId bias,
               const AttentionHeads& heads);

}  // namespace bantam
