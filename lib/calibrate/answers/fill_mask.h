#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "calibrate/tokenizer.h"

namespace bantam {

struct Filling {
  std::int64_t token = 0;
  double score = 0;
  std::string text;      // of the token alone
  std::string sequence;  // the whole text with it
};

// For each mask token of one encoding, the `top` most likely tokens, best first. `logits` is [tokens,
// vocabulary]. A text without the tokenizer's mask token is an Error that names it.
std::vector<std::vector<Filling>> fill_masks(const Tokenizer& tokenizer, const Encoding& encoding,
                                             std::span<const float> logits, std::int64_t top = 5);

}  // namespace bantam
