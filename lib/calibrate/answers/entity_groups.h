#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "calibrate/labels.h"
#include "calibrate/tokenizer.h"

namespace bantam {

// What a token classifier found in a text.
struct Entity {
  std::string type;              // "PER": the label without its prefix
  double score = 0;              // mean of its tokens' probabilities
  ByteRange where;               // bytes of the text
  std::int64_t first_token = 0;  // of the encoding; the last one is included
  std::int64_t last_token = 0;
};

// Neighbouring tokens of one type as one entity, a B- label begins another: the pipeline of transformers with
// aggregation_strategy="simple". "O" is left out. `logits` is [tokens, classes] of one unpadded encoding.
std::vector<Entity> entity_groups(const Encoding& encoding, std::span<const float> logits,
                                  const LabelNames& labels);

// The label of each word of text that was given as words (Tokenizer::encode_words): that of its first token,
// as models are trained and scored. Words without token (truncated, or nothing is left of them) are "O".
std::vector<std::string> word_tags(const Encoding& encoding, std::span<const float> logits,
                                   const LabelNames& labels, std::int64_t words);

}  // namespace bantam
