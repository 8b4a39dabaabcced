#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "convert/config.h"
#include "pipeline/source_files.h"
#include "pipeline/tokenizer/added_tokens.h"
#include "pipeline/tokenizer/tokenizer_class.h"

namespace bantam {

// What a checkpoint says about its tokenizer apart from the vocabulary, read as transformers reads it: the
// defaults of the class, over them tokenizer_config.json, over that (unless it has an added_tokens_decoder)
// special_tokens_map.json and added_tokens.json.
struct TokenizerSettings {
  std::string class_name;                      // as stated, else the model's; empty when nothing says
  const TokenizerClass* class_info = nullptr;  // null: not known
  std::array<std::optional<AddedToken>, kSpecialRoles.size()> special_tokens;  // by role
  std::vector<AddedToken>
      added_tokens;  // all of them, in the order in which they are added to the vocabulary

  std::int64_t embedding_rows = 0;  // vocab_size of config.json; 0: not stated

  // Switches of the tokenizer classes, where stated.
  std::optional<bool> do_lower_case;
  std::optional<bool> strip_accents;
  std::optional<bool> tokenize_chinese_chars;
  std::optional<bool> keep_accents;
  std::optional<bool> add_prefix_space;
  std::optional<bool> trim_offsets;

  // The content of a special token; empty: none.
  const std::string& token(SpecialRole role) const;
};

// `tokenizer_config` is the content of tokenizer_config.json, or an empty object. Errors name file and key.
TokenizerSettings read_tokenizer_settings(const Config& config, const Json& tokenizer_config,
                                          const SourceFiles& files);

// tokenizer_config.json as an object; an empty one when there is no such file.
Json read_tokenizer_config(const SourceFiles& files);

}  // namespace bantam
