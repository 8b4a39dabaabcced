#include "pipeline/generation_config.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace bantam {
namespace {

constexpr std::array<std::string_view, 4> kTokens = {"bos_token_id", "eos_token_id", "pad_token_id",
                                                     "decoder_start_token_id"};
constexpr std::array<std::string_view, 4> kLengths = {"max_length", "max_new_tokens", "num_beams",
                                                      "num_return_sequences"};
constexpr std::array<std::string_view, 5> kNumbers = {"temperature", "top_k", "top_p", "repetition_penalty",
                                                      "length_penalty"};

void check_token(std::string_view key, const Json& value, std::int64_t vocabulary,
                 std::vector<std::string>& notes) {
  if (!value.is_number_integer()) fail("{}: {} where a token id was expected", key, value.dump());
  // Unsigned ones beyond int64 are large as well.
  if (value.is_number_unsigned() && value.get<std::uint64_t>() >= static_cast<std::uint64_t>(vocabulary)) {
    const std::string text =
        fmt::format("{}: {} is beyond the vocabulary of {} tokens", key, value.dump(), vocabulary);
    // GPT-2's default, which stays in files of models with a vocabulary of their own, and matters to empty
    // prompts alone.
    if (key != "bos_token_id") fail("{}", text);
    notes.push_back("generation_config.json: " + text + "; a text of this model cannot begin with nothing");
  }
}

void check_object(const Json& json, std::int64_t vocabulary, std::vector<std::string>& notes) {
  if (!json.is_object()) fail("a JSON object was expected");
  const auto stated = [&](std::string_view key) -> const Json* {
    const auto found = json.find(std::string(key));
    return found == json.end() || found->is_null() ? nullptr : &*found;
  };
  for (const std::string_view key : kTokens) {
    const Json* value = stated(key);
    if (value == nullptr) continue;
    if (!value->is_array()) {
      check_token(key, *value, vocabulary, notes);
      continue;
    }
    if (value->empty()) fail("{}: an empty list of token ids", key);
    for (const Json& token : *value) check_token(key, token, vocabulary, notes);
  }
  for (const std::string_view key : kLengths) {
    const Json* value = stated(key);
    if (value != nullptr && !(value->is_number_unsigned() && *value != 0)) {
      fail("{}: {} where a number from 1 on was expected", key, value->dump());
    }
  }
  for (const std::string_view key : kNumbers) {
    const Json* value = stated(key);
    if (value != nullptr && !value->is_number())
      fail("{}: {} where a number was expected", key, value->dump());
  }
}

}  // namespace

void check_generation_config(const Config& config, const SourceFiles& files,
                             std::vector<std::string>& notes) {
  const auto found = files.find("generation_config.json");
  if (found == files.end()) return;
  const Json json = read_json_file(found->second, {.max_bytes = 16 << 20, .max_depth = 64});
  const std::int64_t vocabulary = config.integer_or("vocab_size", std::int64_t{1} << 31, 1);
  with_context(found->second.string(), [&] { check_object(json, vocabulary, notes); });
}

}  // namespace bantam
