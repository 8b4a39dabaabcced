#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pipeline/source_files.h"
#include "pipeline/tokenizer/settings.h"

namespace bantam {

// What a tokenizer.json says that tokenizer_config.json should agree with.
struct TokenizerFacts {
  std::set<std::string> added_tokens;  // their contents
  bool bert_normalizer = false;        // then the three below hold
  bool lowercase = true;
  std::optional<bool> strip_accents;
  bool handle_chinese_chars = true;
};
// Of a tokenizer.json that check_json_file accepted; the vocabulary is skipped. Errors name the path.
TokenizerFacts read_tokenizer_facts(const std::filesystem::path& path);
// Of the tokenizer.json that is made from these settings.
TokenizerFacts facts_of_made_tokenizer(const TokenizerSettings& settings);

// tokenizer_config.json as transformers.js 4 needs it; what else is in it stays as it is. `config` is its
// content, an empty object where the checkpoint has none. Added, with a note:
//   tokenizer_class   the model's class, where none is stated, or a base class and transformers.js gives
//   token_type_ids
//                     for the model's class only (return_token_type_ids in tokenization_bert.js and its like)
//   model_max_length  where absent, no real limit (transformers writes 1e30) or beyond the position table:
//   pipelines cut
//                     texts there, and would otherwise run over the table
//   *_token           those that transformers takes from the class when they are not stated: pipelines pad
//   with
//                     pad_token and fill mask_token; objects get the {"__type": "AddedToken"} that
//                     transformers.js demands
// `facts` is asked only where something is missing.
Json complete_tokenizer_config(Json config, const Config& model, const TokenizerSettings& settings,
                               const SourceFiles& files, const std::function<TokenizerFacts()>& facts,
                               std::vector<std::string>& notes);

}  // namespace bantam
