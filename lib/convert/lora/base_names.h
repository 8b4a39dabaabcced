#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "convert/checkpoint.h"

namespace bantam {

// The base's name of a tensor that an adapter names: the same, or with one part more or less before it, where
// class and checkpoint differ in the base model's prefix ("bert."). Error where it could be two of them.
std::optional<std::string> find_base_name(const TensorMap& base, std::string_view name);

// Word embeddings and the output layer over the vocabulary, which mostly are one weight.
struct Vocabulary {
  std::string embedding;
  std::string head;           // of a head that is not stored: as it would be
  std::string_view spelling;  // how other versions of transformers spell `head`; empty: the same
  bool tied = false;          // they are one weight now, whether it is stored once or twice
};

// Of the base. None of a model type that is not known, or where neither of the two is stored. An encoder
// without the head of masked language models has nothing that could be tied.
std::optional<Vocabulary> find_vocabulary(const Checkpoint& checkpoint);

}  // namespace bantam
