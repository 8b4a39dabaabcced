#pragma once

#include <cstdint>
#include <string_view>

#include "convert/architecture.h"
#include "convert/blocks/encoder_config.h"

namespace bantam {

// --- Parts that stand between encoder and output. `x` holds rows [batch_size * sequence_length, width].

// tanh(dense(first token)), [batch_size, width]
ValueId pool_first_token(const Module& dense, TokenInputs& inputs, ValueId x, std::int64_t width, Role role);
// norm(activation(dense(x))), rows of width `out`
ValueId transform(const Module& dense, const Module& norm_module, ValueId x, std::int64_t in,
                  std::int64_t out, std::string_view activation, const Norm& norm);

// --- Outputs. `x` holds rows [batch_size * sequence_length, width] unless said otherwise; the names are
// those that
// --- transformers.js reads.

// last_hidden_state [batch_size, sequence_length, width]
void output_hidden_states(const Module& root, TokenInputs& inputs, ValueId x, std::int64_t width);
// logits [batch_size, width]; x is that already
void output_sequence_logits(const Module& root, ValueId x, std::int64_t width);
// logits [batch_size, sequence_length, width]
void output_token_logits(const Module& root, TokenInputs& inputs, ValueId x, std::int64_t width);
// start_logits and end_logits [batch_size, sequence_length]: linear `qa_outputs`, then split. Needs two
// labels.
void output_answer_spans(const Module& root, TokenInputs& inputs, const Config& config, ValueId x,
                         std::int64_t width);

// Token classes: linear `classifier` on every token, to `logits`.
void output_token_classes(const Module& root, TokenInputs& inputs, const Config& config, ValueId x,
                          std::int64_t width);
// Sequence classes from one row per sequence [batch_size, width]: linear at `classifier`, to `logits`.
void output_sequence_classes(const Module& root, const Module& classifier, const Config& config,
                             ValueId pooled, std::int64_t width);

// --- The vocabulary: word embeddings, and the output layer of a masked-language head, which is mostly the
// same tensor.

// Paths from the root.
struct VocabularyNames {
  std::string_view embedding;  // module of the word embeddings
  std::string_view decoder;    // module of the head's output layer
  std::string_view bias;       // module whose `bias` is the output layer's; mostly beside `decoder`
};

// Declares the word embeddings [vocabulary, embedding]. Where the file holds the tied output layer as a
// tensor of its own, it is compared when the bytes are read (make_tied_source); where it holds only that one,
// that one is taken.
ValueId word_embeddings(const Module& root, const VocabularyNames& names, const EncoderConfig& config,
                        Task task);
// The weight of the output layer: `embeddings` again, or a tensor of its own where config.json unties them.
ValueId decoder_weight(const Module& root, const VocabularyNames& names, const EncoderConfig& config,
                       ValueId embeddings);
ValueId decoder_bias(const Module& root, const VocabularyNames& names, const EncoderConfig& config);
// logits = x decoder^T + bias, output as token logits. x is rows of width `config.embedding`.
void output_vocabulary(const Module& root, TokenInputs& inputs, const VocabularyNames& names,
                       const EncoderConfig& config, ValueId x, ValueId embeddings);

}  // namespace bantam
