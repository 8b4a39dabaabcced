#include "pipeline/tokenizer/settings.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxConfigBytes = std::int64_t{16}
                                         << 20;  // chat templates are long; more is no config

Json read_object(const std::filesystem::path& path) {
  Json value = read_json_file(path, {.max_bytes = kMaxConfigBytes, .max_depth = 64});
  if (!value.is_object()) fail("{}: a JSON object was expected", path.string());
  return value;
}

std::optional<bool> read_switch(const Json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return std::nullopt;
  if (!found->is_boolean()) fail("{}: {} where true or false was expected", key, quote(found->dump()));
  return found->get<bool>();
}

std::string read_name(const Json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return {};
  if (!found->is_string()) fail("{}: {} where a name was expected", key, quote(found->dump()));
  return found->get<std::string>();
}

struct Reader {
  const Json& tokenizer_config;
  const SourceFiles& files;
  TokenizerSettings settings;
  std::array<std::optional<Json>, kSpecialRoles.size()>
      stated;  // by role; holds null where the file states null
  std::vector<AddedToken> additional;
  std::set<std::string> additional_contents;
  std::vector<AddedToken> by_id;  // added_tokens_decoder or added_tokens.json, by their ids there

  void take_object(const Json& object) {
    for (std::size_t role = 0; role < kSpecialRoles.size(); ++role) {
      const auto found = object.find(kSpecialRoles[role]);
      if (found == object.end()) continue;
      read_added_token(kSpecialRoles[role], *found, true);  // an error belongs to this file
      stated[role] = *found;
    }
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
      if (const auto found = object.find(key); found != object.end()) take_additional(key, *found);
    }
  }

  // Tokens beyond the seven roles: a list, or (transformers 5) an object that names them.
  void take_additional(std::string_view key, const Json& value) {
    if (value.is_null()) return;
    if (!value.is_array() && !value.is_object()) fail("{}: a list of tokens was expected", key);
    for (const Json& entry : value) {
      std::optional<AddedToken> token = read_added_token(key, entry, true);
      if (token && additional_contents.insert(token->content).second) additional.push_back(std::move(*token));
    }
  }

  void take_decoder(const Json& decoder) {
    if (!decoder.is_object()) fail("added_tokens_decoder: an object of tokens by id was expected");
    std::map<std::int64_t, AddedToken> tokens;
    for (const auto& [id, value] : decoder.items()) {
      const bool number = !id.empty() && id.size() < 10 && id.find_first_not_of("0123456789") == id.npos;
      if (!number) fail("added_tokens_decoder: {} where an id was expected", quote(id));
      if (const auto token = read_added_token("added_tokens_decoder", value, false))
        tokens[std::stoll(id)] = *token;
    }
    for (auto& [id, token] : tokens) by_id.push_back(std::move(token));
  }

  // {"<token>": id}; special are those that have a role or are listed as additional.
  void take_added_tokens(const Json& object) {
    std::set<std::string> special = additional_contents;
    for (const auto& value : stated) {
      if (!value) continue;
      if (const auto token = read_added_token("a special token", *value, true))
        special.insert(token->content);
    }
    std::map<std::int64_t, AddedToken> tokens;
    for (const auto& [content, id] : object.items()) {
      if (!id.is_number_unsigned()) fail("{}: {} where an id was expected", quote(content), quote(id.dump()));
      const bool is_special = special.contains(content);
      tokens[id.get<std::int64_t>()] = {.content = content, .normalized = !is_special, .special = is_special};
    }
    for (auto& [id, token] : tokens) by_id.push_back(std::move(token));
  }

  void read_files() {
    const auto own = files.find("tokenizer_config.json");
    const auto map = files.find("special_tokens_map.json");
    const auto added = files.find("added_tokens.json");
    with_context(own == files.end() ? "tokenizer_config.json" : own->second.string(), [&] {
      take_object(tokenizer_config);
      if (const auto found = tokenizer_config.find("added_tokens_decoder"); found != tokenizer_config.end()) {
        take_decoder(*found);
      }
    });
    if (tokenizer_config.contains("added_tokens_decoder")) return;
    if (map != files.end()) {
      const Json object = read_object(map->second);
      with_context(map->second.string(), [&] { take_object(object); });
    }
    if (added != files.end()) {
      const Json object = read_object(added->second);
      with_context(added->second.string(), [&] { take_added_tokens(object); });
    }
  }

  // The token of a role: as stated, with the flags that the lists by id give to it; else the class's own.
  std::optional<AddedToken> token_of_role(std::size_t role) {
    const TokenizerClass* known = settings.class_info;
    std::optional<AddedToken> token;
    if (stated[role]) {
      token = read_added_token(kSpecialRoles[role], *stated[role], true);
    } else if (known != nullptr && !known->special_tokens[role].empty()) {
      token = AddedToken{.content = std::string(known->special_tokens[role]), .special = true};
    }
    if (!token) return token;
    const auto same = std::ranges::find(by_id, token->content, &AddedToken::content);
    if (same != by_id.end()) return *same;
    const bool plain = !stated[role] || stated[role]->is_string();
    if (plain && known != nullptr) {
      token->lstrip = role == kMask && known->mask_takes_space;
      token->normalized = role != kMask && known->tokens_normalized;
    }
    return token;
  }

  void collect_tokens() {
    std::vector<AddedToken>& all = settings.added_tokens;
    all = by_id;
    std::map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < all.size(); ++i) places.emplace(all[i].content, i);
    const auto add = [&](const AddedToken& token) {
      const auto [place, is_new] = places.emplace(token.content, all.size());
      if (is_new) all.push_back(token);
      all[place->second].special = true;
    };
    for (std::size_t role = 0; role < kSpecialRoles.size(); ++role) {
      settings.special_tokens[role] = token_of_role(role);
      if (settings.special_tokens[role]) add(*settings.special_tokens[role]);
    }
    for (const AddedToken& token : additional) add(token);
  }
};

}  // namespace

const std::string& TokenizerSettings::token(SpecialRole role) const {
  static const std::string kNone;
  return special_tokens[role] ? special_tokens[role]->content : kNone;
}

Json read_tokenizer_config(const SourceFiles& files) {
  const auto found = files.find("tokenizer_config.json");
  return found == files.end() ? Json::object() : read_object(found->second);
}

TokenizerSettings read_tokenizer_settings(const Config& config, const Json& tokenizer_config,
                                          const SourceFiles& files) {
  Reader reader{tokenizer_config, files, {}, {}, {}, {}, {}};
  TokenizerSettings& settings = reader.settings;
  const auto own = files.find("tokenizer_config.json");
  with_context(own == files.end() ? "tokenizer_config.json" : own->second.string(), [&] {
    settings.class_name = read_name(tokenizer_config, "tokenizer_class");
    settings.do_lower_case = read_switch(tokenizer_config, "do_lower_case");
    settings.strip_accents = read_switch(tokenizer_config, "strip_accents");
    settings.tokenize_chinese_chars = read_switch(tokenizer_config, "tokenize_chinese_chars");
    settings.keep_accents = read_switch(tokenizer_config, "keep_accents");
    settings.add_prefix_space = read_switch(tokenizer_config, "add_prefix_space");
    settings.trim_offsets = read_switch(tokenizer_config, "trim_offsets");
  });
  settings.embedding_rows = config.integer_or("vocab_size", 0);
  if (settings.class_name.empty()) settings.class_name = config.string_or("tokenizer_class", "");
  if (settings.class_name.empty() || is_generic_tokenizer_class(settings.class_name)) {
    settings.class_info = tokenizer_class_of_model(config.model_type());
    if (settings.class_info != nullptr) settings.class_name = settings.class_info->name;
  } else {
    settings.class_info = find_tokenizer_class(settings.class_name);
  }
  reader.read_files();
  with_context(own == files.end() ? "tokenizer_config.json" : own->second.string(),
               [&] { reader.collect_tokens(); });
  return std::move(reader.settings);
}

}  // namespace bantam
