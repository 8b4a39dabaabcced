#pragma once

#include "convert/blocks/encoder_config.h"

namespace bantam {

// Which rows of the tables each token gets; any shape that broadcasts to [batch_size, sequence_length].
struct EmbeddingIds {
  ValueId positions = kNoValue;
  ValueId types = kNoValue;  // kNoValue: the family has no table of token types
};

// norm(word + type + position) of every token, as rows [batch_size * sequence_length, config.embedding].
// `words` is the table of word embeddings; the other tables are below `module`, under BERT's names.
ValueId embed_tokens(const Module& module, const TokenInputs& inputs, const EncoderConfig& config,
                     ValueId words, const EmbeddingIds& ids);

}  // namespace bantam
