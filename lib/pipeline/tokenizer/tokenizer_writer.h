#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/tokenizer/added_tokens.h"
#include "pipeline/tokenizer/settings.h"

namespace bantam {

using OrderedJson = nlohmann::ordered_json;  // keys stay in the order in which they were written

// The parts of a tokenizer.json beside the added tokens, in the tokenizers library's words.
struct TokenizerParts {
  const OrderedJson& normalizer;
  const OrderedJson& pre_tokenizer;
  const OrderedJson& post_processor;
  const OrderedJson& decoder;
  const OrderedJson& model;     // "vocab" and "merges" are null and stand for the two below
  std::string_view vocabulary;  // JSON text, indented for its place
  std::string_view merges = {};
};
std::string write_tokenizer_json(const std::vector<PlacedToken>& added_tokens, const TokenizerParts& parts);

// The post-processor that puts special tokens around one text or two. A piece is the place of a text ("$A",
// "$B") or the content of a special token, with the token type of everything in it.
struct TemplatePiece {
  std::string_view piece;
  int type_id = 0;
};
OrderedJson template_processing(std::initializer_list<TemplatePiece> single,
                                std::initializer_list<TemplatePiece> pair,
                                const std::vector<std::pair<std::string, std::int64_t>>& special_tokens);

// {"word": id, ...} in the given order, which is that of the ids.
std::string vocabulary_text(const std::vector<std::pair<std::string_view, std::int64_t>>& words);

// Where ids go beyond the model's embedding, a note says so: the model fails on them.
void note_ids_beyond_embedding(std::string_view file, const std::vector<PlacedToken>& added_tokens,
                               std::int64_t last_word, const TokenizerSettings& settings,
                               std::vector<std::string>& notes);

}  // namespace bantam
