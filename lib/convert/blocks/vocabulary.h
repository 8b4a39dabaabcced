#pragma once

#include <string>
#include <string_view>

#include "convert/architecture.h"
#include "convert/blocks/encoder_config.h"
#include "convert/weights.h"

namespace bantam {

// The vocabulary: word embeddings, and the output layer of a masked-language head, which mostly is the same
// tensor. Paths from the root.
struct VocabularyNames {
  std::string_view embedding;  // module of the word embeddings
  std::string_view decoder;    // module of the head's output layer
  std::string_view bias;       // module whose `bias` is the output layer's; mostly beside `decoder`
};

// Claims a tensor that the checkpoint may hold under one of two names or, equal, under both.
TensorSourcePtr claim_tied(Weights& weights, const std::string& kept, const std::string& copy,
                           const Shape& shape);

// Declares the word embeddings [vocabulary, embedding]. Where the file holds the tied output layer as a
// tensor of its own, the two are compared when the bytes are read (make_tied_source); where it holds only
// that one, that one is taken.
ValueId word_embeddings(const Module& root, const VocabularyNames& names, const EncoderConfig& config,
                        Task task);
// The weight of the output layer: `embeddings` again, or a tensor of its own where config.json unties them.
ValueId decoder_weight(const Module& root, const VocabularyNames& names, const EncoderConfig& config,
                       ValueId embeddings);
ValueId decoder_bias(const Module& root, const VocabularyNames& names, const EncoderConfig& config);
// logits = x decoder^T + bias, as the graph's output. x is rows of width `config.embedding`.
void output_vocabulary(const Module& root, TokenInputs& inputs, const VocabularyNames& names,
                       const EncoderConfig& config, ValueId x, ValueId embeddings);

}  // namespace bantam
