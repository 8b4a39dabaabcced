#include "pipeline/tokenizer/tokenizer_writer.h"

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "pipeline/tokenizer/json_text.h"

namespace bantam {
namespace {

OrderedJson added_token_json(const PlacedToken& placed) {
  const AddedToken& token = placed.token;
  return {{"id", placed.id},         {"content", token.content}, {"single_word", token.single_word},
          {"lstrip", token.lstrip},  {"rstrip", token.rstrip},   {"normalized", token.normalized},
          {"special", token.special}};
}

OrderedJson pieces_json(std::initializer_list<TemplatePiece> pieces) {
  OrderedJson list = OrderedJson::array();
  for (const TemplatePiece& piece : pieces) {
    const bool text = piece.piece == "$A" || piece.piece == "$B";
    const std::string id(text ? piece.piece.substr(1) : piece.piece);
    list.push_back({{text ? "Sequence" : "SpecialToken", {{"id", id}, {"type_id", piece.type_id}}}});
  }
  return list;
}

// No string can hold the key as it is searched for: quotes inside strings are escaped.
void replace_null(std::string& text, std::string_view key, std::string_view value) {
  const std::string member = fmt::format("\"{}\": ", key);
  const std::size_t at = text.rfind(member + "null");
  BANTAM_ASSERT(at != text.npos);
  text.replace(at + member.size(), 4, value);
}

}  // namespace

std::string write_tokenizer_json(const std::vector<PlacedToken>& added_tokens, const TokenizerParts& parts) {
  OrderedJson tokens = OrderedJson::array();
  for (const PlacedToken& token : added_tokens) tokens.push_back(added_token_json(token));
  const OrderedJson tokenizer = {{"version", "1.0"},
                                 {"truncation", nullptr},
                                 {"padding", nullptr},
                                 {"added_tokens", std::move(tokens)},
                                 {"normalizer", parts.normalizer},
                                 {"pre_tokenizer", parts.pre_tokenizer},
                                 {"post_processor", parts.post_processor},
                                 {"decoder", parts.decoder},
                                 {"model", parts.model}};
  std::string text = tokenizer.dump(2);
  if (!parts.merges.empty()) replace_null(text, "merges", parts.merges);
  replace_null(text, "vocab", parts.vocabulary);
  return text;
}

OrderedJson template_processing(std::initializer_list<TemplatePiece> single,
                                std::initializer_list<TemplatePiece> pair,
                                const std::vector<std::pair<std::string, std::int64_t>>& special_tokens) {
  const std::map<std::string, std::int64_t> by_name(special_tokens.begin(), special_tokens.end());
  OrderedJson special = OrderedJson::object();
  for (const auto& [token, id] : by_name) {
    special[token] = {
        {"id", token}, {"ids", OrderedJson::array({id})}, {"tokens", OrderedJson::array({token})}};
  }
  return {{"type", "TemplateProcessing"},
          {"single", pieces_json(single)},
          {"pair", pieces_json(pair)},
          {"special_tokens", std::move(special)}};
}

void note_ids_beyond_embedding(std::string_view file, const std::vector<PlacedToken>& added_tokens,
                               std::int64_t last_word, const TokenizerSettings& settings,
                               std::vector<std::string>& notes) {
  std::int64_t last = last_word;
  std::string word = "its last word";
  for (const PlacedToken& placed : added_tokens) {
    if (placed.id > last) {
      last = placed.id;
      word = quote(placed.token.content, 40);
    }
  }
  if (settings.embedding_rows == 0 || last < settings.embedding_rows) return;
  notes.push_back(
      fmt::format("{}: {} has id {}, and the model's vocabulary ends at {} (vocab_size of config.json)", file,
                  word, last, settings.embedding_rows - 1));
}

std::string vocabulary_text(const std::vector<std::pair<std::string_view, std::int64_t>>& words) {
  if (words.empty()) return "{}";
  std::string text = "{";
  for (const auto& [word, id] : words) {
    text += text.size() > 1 ? ",\n      " : "\n      ";
    append_json_string(text, word);
    text += fmt::format(": {}", id);
  }
  return text + "\n    }";
}

}  // namespace bantam
