#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace bantam {

// A token that is matched in the text before the model cuts it, as the tokenizers library defines it.
struct AddedToken {
  std::string content;
  bool single_word = false;  // matches whole words only
  bool lstrip = false;       // swallows the space before it
  bool rstrip = false;
  bool normalized = false;  // matched in normalized text
  bool special = false;
};

struct PlacedToken {
  AddedToken token;
  std::int64_t id = 0;
};

// A string, or an object {content, lstrip, ...} as transformers writes it; null is no token. `special` is the
// flag of plain strings, and of objects where those do not state it. Errors start with `key`.
std::optional<AddedToken> read_added_token(std::string_view key, const Json& value, bool special);

// The id of a word of the model's vocabulary.
using FindId = std::function<std::optional<std::int64_t>(std::string_view)>;

// Gives ids as the tokenizers library does when the tokens are added in this order: their place in the
// vocabulary, else the next free id behind it (`vocabulary_size` counts words, not ids). It does so again
// when it loads the file, so other ids could not be kept. Empty and repeated contents are passed over. Sorted
// by id.
std::vector<PlacedToken> place_added_tokens(const std::vector<AddedToken>& tokens, const FindId& find_id,
                                            std::int64_t vocabulary_size);

// The id of a token that is among them.
std::int64_t placed_id(const std::vector<PlacedToken>& tokens, std::string_view content);

}  // namespace bantam
