#include "pipeline/tokenizer/chat_template.h"

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "pipeline/tokenizer/json_text.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxTemplateBytes = std::int64_t{4} << 20;
constexpr std::string_view kFile = "chat_template.jinja";
constexpr std::string_view kFolder = "additional_chat_templates/";
constexpr std::string_view kEnding = ".jinja";

// By name; "default" is the one that is used when a page asks for none.
std::map<std::string, std::string> template_files(const SourceFiles& files) {
  std::map<std::string, std::string> templates;
  for (const auto& [name, path] : files) {
    if (name == kFile) templates["default"] = read_utf8_file(path, kMaxTemplateBytes);
    if (!name.starts_with(kFolder) || !name.ends_with(kEnding)) continue;
    const std::string key = name.substr(kFolder.size(), name.size() - kFolder.size() - kEnding.size());
    templates.emplace(key, read_utf8_file(path, kMaxTemplateBytes));
  }
  return templates;
}

// {"chat_template": "..."}
Json oldest_form(const SourceFiles& files) {
  const auto found = files.find("chat_template.json");
  if (found == files.end()) return nullptr;
  const Json object = read_json_file(found->second, {.max_bytes = kMaxTemplateBytes, .max_depth = 16});
  if (!object.is_object() || !object.contains("chat_template")) return nullptr;
  return object["chat_template"];
}

}  // namespace

void inline_chat_template(Json& tokenizer_config, const SourceFiles& files, std::vector<std::string>& notes) {
  const std::map<std::string, std::string> templates = template_files(files);
  const auto stated = tokenizer_config.find("chat_template");
  const bool has_one = stated != tokenizer_config.end() && !stated->is_null();
  Json wanted;
  if (templates.size() == 1 && templates.contains("default")) {
    wanted = templates.at("default");
  } else if (!templates.empty()) {
    wanted = Json::array();
    for (const auto& [name, text] : templates) wanted.push_back({{"name", name}, {"template", text}});
  } else if (!has_one) {
    wanted = oldest_form(files);
  }
  if (wanted.is_null()) return;
  if (has_one && *stated != wanted) {
    notes.push_back(
        "chat template: the template files win over another one in tokenizer_config.json, as in "
        "transformers");
  }
  tokenizer_config["chat_template"] = std::move(wanted);
}

std::string lone_chat_template(const Json& tokenizer_config, const SourceFiles& files) {
  const auto stated = tokenizer_config.find("chat_template");
  if (files.contains(std::string(kFile)) || stated == tokenizer_config.end()) return {};
  if (stated->is_string()) return stated->get<std::string>();
  if (!stated->is_array()) return {};
  for (const Json& entry : *stated) {
    if (!entry.is_object() || entry.value("name", Json()) != Json("default")) continue;
    const auto text = entry.find("template");
    if (text != entry.end() && text->is_string()) return text->get<std::string>();
  }
  return {};
}

}  // namespace bantam
