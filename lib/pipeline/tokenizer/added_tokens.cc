#include "pipeline/tokenizer/added_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"

namespace bantam {
namespace {

bool flag(std::string_view key, const Json& token, const char* name, bool fallback) {
  const auto found = token.find(name);
  if (found == token.end() || found->is_null()) return fallback;
  if (!found->is_boolean())
    fail("{}: {}: {} where true or false was expected", key, name, quote(found->dump()));
  return found->get<bool>();
}

}  // namespace

std::optional<AddedToken> read_added_token(std::string_view key, const Json& value, bool special) {
  if (value.is_null()) return std::nullopt;
  AddedToken token;
  if (value.is_string()) {
    token.content = value.get<std::string>();
    token.special = special;
    token.normalized = !special;
  } else if (value.is_object() && value.contains("content") && value["content"].is_string()) {
    token.content = value["content"].get<std::string>();
    token.special = flag(key, value, "special", special);
    token.normalized = flag(key, value, "normalized", !token.special);
    token.single_word = flag(key, value, "single_word", false);
    token.lstrip = flag(key, value, "lstrip", false);
    token.rstrip = flag(key, value, "rstrip", false);
  } else {
    fail("{}: {} where a token was expected: a string, or an object with content", key, quote(value.dump()));
  }
  return token;
}

std::vector<PlacedToken> place_added_tokens(const std::vector<AddedToken>& tokens, const FindId& find_id,
                                            std::int64_t vocabulary_size) {
  std::vector<PlacedToken> placed;
  std::set<std::string_view> seen;
  std::int64_t largest = -1;
  for (const AddedToken& token : tokens) {
    if (token.content.empty() || !seen.insert(token.content).second) continue;
    const std::int64_t next = std::max(largest + 1, vocabulary_size);
    placed.push_back({token, find_id(token.content).value_or(next)});
    largest = std::max(largest, placed.back().id);
  }
  std::ranges::stable_sort(placed, {}, &PlacedToken::id);
  return placed;
}

std::int64_t placed_id(const std::vector<PlacedToken>& tokens, std::string_view content) {
  const auto is_it = [&](const PlacedToken& placed) { return placed.token.content == content; };
  const auto found = std::ranges::find_if(tokens, is_it);
  BANTAM_ASSERT(found != tokens.end());
  return found->id;
}

}  // namespace bantam
