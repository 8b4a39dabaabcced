#pragma once

#include <string_view>

#include "convert/blocks/decoder_config.h"
#include "convert/blocks/decoder_inputs.h"

namespace bantam {

// Paths, from the root, of the word embeddings and of the output layer, which may be the same tensor.
struct CausalNames {
  std::string_view embedding;
  std::string_view head;
};

// Declares the word embeddings [vocabulary, hidden]. Tied to the output layer, the file may hold either name,
// or both when they are equal (make_tied_source).
ValueId token_table(const Module& root, const CausalNames& names, const DecoderConfig& config);
// Rows of the table, [batch_size * sequence_length, hidden].
ValueId embed_ids(const Module& root, const CausalNames& names, DecoderInputs& inputs, ValueId table,
                  std::int64_t width);
// logits [batch_size, kept positions, vocabulary], the graph's output, of the last positions that
// num_logits_to_keep asks for. x is rows [batch_size * sequence_length, hidden].
void output_logits(const Module& root, const CausalNames& names, DecoderInputs& inputs, ValueId x,
                   ValueId table, const DecoderConfig& config, LinearBias bias = LinearBias::kNone);

}  // namespace bantam
