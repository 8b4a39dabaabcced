#include "pipeline/tokenizer/tokenizer_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace bantam {
namespace {

constexpr double kNoRealLimit = 1e9;  // transformers writes 1e30 for "none"

std::optional<bool> boolean_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_boolean()) return std::nullopt;
  return found->get<bool>();
}

// The length that sentence-transformers cuts texts to.
std::optional<std::int64_t> sentence_length(const SourceFiles& files) {
  const auto found = files.find("sentence_bert_config.json");
  if (found == files.end()) return std::nullopt;
  const Json config = read_json_file(found->second, {.max_bytes = 1 << 20, .max_depth = 16});
  if (!config.is_object()) fail("{}: a JSON object was expected", found->second.string());
  const auto length = config.find("max_seq_length");
  if (length == config.end() || length->is_null()) return std::nullopt;
  if (!length->is_number_unsigned() || length->get<std::uint64_t>() < 1 ||
      length->get<std::uint64_t>() > 1u << 30) {
    fail("{}: max_seq_length: {} where a length was expected", found->second.string(), quote(length->dump()));
  }
  return length->get<std::int64_t>();
}

class Completer {
 public:
  Completer(Json config, const TokenizerSettings& settings, const std::function<TokenizerFacts()>& facts)
      : config_(std::move(config)), is_new_(config_.empty()), settings_(settings), ask_(facts) {}

  Json finish(std::vector<std::string>& notes) {
    if (is_new_) {
      notes.push_back(fmt::format("tokenizer_config.json is made: {}, model_max_length {}",
                                  config_["tokenizer_class"].get<std::string>(),
                                  config_.value("model_max_length", Json("not known")).dump()));
    } else {
      std::string text;
      for (const std::string& change : changes_) text += (text.empty() ? "" : "; ") + change;
      if (!text.empty()) notes.push_back("tokenizer_config.json: " + text);
    }
    return std::move(config_);
  }

  void complete_class() {
    const auto stated = config_.find("tokenizer_class");
    const bool absent = stated == config_.end() || !stated->is_string() || stated->get<std::string>().empty();
    const TokenizerClass* known = settings_.class_info;
    if (absent) {
      if (known == nullptr && !is_new_) return;
      config_["tokenizer_class"] =
          settings_.class_name.empty() ? "PreTrainedTokenizerFast" : settings_.class_name;
      changes_.push_back(
          fmt::format("tokenizer_class {} added", config_["tokenizer_class"].get<std::string>()));
      return;
    }
    const std::string name = stated->get<std::string>();
    if (!is_generic_tokenizer_class(name) || known == nullptr || !known->type_ids_by_class) return;
    if (const auto inputs = config_.find("model_input_names");
        inputs != config_.end() && inputs->is_array()) {
      if (std::ranges::find(*inputs, Json("token_type_ids")) == inputs->end()) return;
    }
    config_["tokenizer_class"] = known->name;
    changes_.push_back(fmt::format(
        "tokenizer_class {} for {}: transformers.js gives token_type_ids by the class", known->name, name));
  }

  void complete_length(std::optional<std::int64_t> table, std::optional<std::int64_t> sentence) {
    const auto stated = config_.find("model_max_length");
    const bool real = stated != config_.end() && stated->is_number() && stated->get<double>() >= 1 &&
                      stated->get<double>() < kNoRealLimit;
    if (real && (!table || stated->get<double>() <= static_cast<double>(*table))) {
      if (sentence && static_cast<double>(*sentence) < stated->get<double>()) {
        changes_.push_back(
            fmt::format("model_max_length {} is where pipelines cut texts; sentence-transformers cuts at {} "
                        "(sentence_bert_config.json)",
                        stated->dump(), *sentence));
      }
      return;
    }
    const std::optional<std::int64_t> length = table && sentence ? std::min(*table, *sentence)
                                               : table           ? table
                                                                 : sentence;
    if (!length) return;
    const std::string was = real ? fmt::format(" instead of {}", stated->dump()) : "";
    changes_.push_back(
        fmt::format("model_max_length {}{}: longer texts run over the model's position table", *length, was));
    config_["model_max_length"] = *length;
  }

  void complete_tokens() {
    std::string added;
    for (std::size_t role = 0; role < kSpecialRoles.size(); ++role) {
      const std::string key(kSpecialRoles[role]);
      const std::string& token = settings_.token(static_cast<SpecialRole>(role));
      const auto stated = config_.find(key);
      if (stated != config_.end()) {
        if (stated->is_object() && !stated->contains("__type")) (*stated)["__type"] = "AddedToken";
        const std::string content = stated->is_object()   ? stated->value("content", "")
                                    : stated->is_string() ? stated->get<std::string>()
                                                          : "";
        if (content == token) continue;
        changes_.push_back(fmt::format("{} {} instead of {}, as special_tokens_map.json says", key,
                                       quote(token, 40), quote(content, 40)));
      } else {
        if (token.empty() || !facts().added_tokens.contains(token)) continue;
        added += (added.empty() ? "" : ", ") + key;
      }
      config_[key] = token.empty() ? Json() : Json(token);
    }
    if (!added.empty()) changes_.push_back(added + " added, which transformers knows by the class");
  }

  // transformers 5 builds WordPiece tokenizers anew from these switches.
  void complete_switches() {
    if (!is_new_ || settings_.class_info == nullptr ||
        settings_.class_info->model != TokenizerModel::kWordPiece)
      return;
    if (!facts().bert_normalizer) return;
    config_["do_lower_case"] = facts().lowercase;
    config_["tokenize_chinese_chars"] = facts().handle_chinese_chars;
    if (facts().strip_accents) config_["strip_accents"] = *facts().strip_accents;
  }

 private:
  const TokenizerFacts& facts() {
    if (!facts_) facts_ = ask_();
    return *facts_;
  }

  Json config_;
  bool is_new_;
  const TokenizerSettings& settings_;
  const std::function<TokenizerFacts()>& ask_;
  std::optional<TokenizerFacts> facts_;
  std::vector<std::string> changes_;
};

}  // namespace

TokenizerFacts read_tokenizer_facts(const std::filesystem::path& path) {
  const std::string text = read_text_file(path, kLargestSmallFile);
  const Json tokenizer = Json::parse(text, [](int depth, Json::parse_event_t event, const Json& parsed) {
    return depth != 1 || event != Json::parse_event_t::key || parsed != Json("model");
  });
  TokenizerFacts facts;
  if (!tokenizer.is_object()) fail("{}: a JSON object was expected", path.string());
  const auto tokens = tokenizer.find("added_tokens");
  if (tokens != tokenizer.end() && tokens->is_array()) {
    for (const Json& token : *tokens) {
      if (!token.is_object() || !token.contains("content") || !token["content"].is_string()) continue;
      facts.added_tokens.insert(token["content"].get<std::string>());
    }
  }
  const auto normalizer = tokenizer.find("normalizer");
  if (normalizer == tokenizer.end() || !normalizer->is_object()) return facts;
  facts.bert_normalizer = normalizer->value("type", Json()) == Json("BertNormalizer");
  facts.lowercase = boolean_of(*normalizer, "lowercase").value_or(true);
  facts.strip_accents = boolean_of(*normalizer, "strip_accents");
  facts.handle_chinese_chars = boolean_of(*normalizer, "handle_chinese_chars").value_or(true);
  return facts;
}

TokenizerFacts facts_of_made_tokenizer(const TokenizerSettings& settings) {
  TokenizerFacts facts;
  for (const AddedToken& token : settings.added_tokens) facts.added_tokens.insert(token.content);
  facts.bert_normalizer =
      settings.class_info != nullptr && settings.class_info->model == TokenizerModel::kWordPiece;
  facts.lowercase = settings.do_lower_case.value_or(true);
  facts.strip_accents = settings.strip_accents;
  facts.handle_chinese_chars = settings.tokenize_chinese_chars.value_or(true);
  return facts;
}

Json complete_tokenizer_config(Json config, const Config& model, const TokenizerSettings& settings,
                               const SourceFiles& files, const std::function<TokenizerFacts()>& facts,
                               std::vector<std::string>& notes) {
  Completer completer(std::move(config), settings, facts);
  completer.complete_class();
  completer.complete_length(position_limit(model), sentence_length(files));
  completer.complete_tokens();
  completer.complete_switches();
  return completer.finish(notes);
}

}  // namespace bantam
