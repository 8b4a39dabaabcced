#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "convert/config.h"

namespace bantam {

// How the vocabulary is stored and used. Unigram models come as sentencepiece files, whose ids XLM-RoBERTa
// shifts.
enum class TokenizerModel : std::uint8_t { kWordPiece, kByteLevelBpe, kAlbertUnigram, kXlmRobertaUnigram };

// Special tokens by role, in the order in which transformers adds them to a vocabulary: the index of a role
// is its place in every list of seven below.
inline constexpr std::array<std::string_view, 7> kSpecialRoles = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
};
enum SpecialRole : std::uint8_t { kBos, kEos, kUnk, kSep, kPad, kCls, kMask };

// What transformers' class of that name does when a checkpoint states nothing (its __init__ and its
// converter).
struct TokenizerClass {
  std::string_view name;
  TokenizerModel model;
  std::array<std::string_view, kSpecialRoles.size()> special_tokens;  // empty: none
  bool two_separators;                                                // a pair is "cls A sep sep B sep"
  bool mask_takes_space;   // the mask token swallows the space before it (lstrip)
  bool tokens_normalized;  // special tokens given as plain strings are matched in normalized text
  bool
      type_ids_by_class;  // transformers.js gives token_type_ids for this class, and not for the generic ones
};

// By the name in tokenizer_config.json, with or without "Fast" at the end; null when not known.
const TokenizerClass* find_tokenizer_class(std::string_view name);
// The class that transformers takes for a model whose checkpoint names none.
const TokenizerClass* tokenizer_class_of_model(std::string_view model_type);
// The base classes, which say nothing about the tokenizer: "PreTrainedTokenizerFast", "TokenizersBackend",
// ...
bool is_generic_tokenizer_class(std::string_view name);

// The longest input that the model's position table holds, in tokens; nothing where the model has no such
// table or is not known. Tables whose positions start behind the padding id hold that many fewer.
std::optional<std::int64_t> position_limit(const Config& config);

}  // namespace bantam
