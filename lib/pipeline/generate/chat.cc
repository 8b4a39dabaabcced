#include "pipeline/generate/chat.h"

#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxFileBytes = std::int64_t{16} << 20;
constexpr int kMaxDepth = 64;

std::string quoted(std::string_view text, std::string_view what) {
  if (const auto at = invalid_utf8(text)) fail("{}: byte {} is not UTF-8", what, *at);
  return Json(text).dump();
}

std::string read_utf8(const fs::path& path) {
  std::string text = read_text_file(path, kMaxFileBytes);
  if (const auto at = invalid_utf8(text)) fail("{}: byte {} is not UTF-8", path.string(), *at);
  return text;
}

// {"name", "template"} in a list, or the text itself.
std::string stated_template(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return {};
  for (const Json& entry : value) {
    if (!entry.is_object() || entry.value("name", Json()) != Json("default")) continue;
    const auto text = entry.find("template");
    if (text != entry.end() && text->is_string()) return text->get<std::string>();
  }
  return {};
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return local;
}

void check_messages(const Json& messages, const fs::path& path) {
  if (!messages.is_array() || messages.empty())
    fail("{}: a list of messages was expected, or an object with the key messages", path.string());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Json& message = messages[i];
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string()) {
      fail("{}: message {}: an object with a role was expected: {{\"role\": \"user\", \"content\": \"...\"}}",
           path.string(), i + 1);
    }
  }
}

}  // namespace

std::string chat_messages(const std::optional<std::string>& system, std::string_view user) {
  std::string messages = "[";
  if (system) messages += R"({"role": "system", "content": )" + quoted(*system, "--system") + "}, ";
  messages += R"({"role": "user", "content": )" + quoted(user, "--text") + "}]";
  return messages;
}

ChatFile read_chat_file(const fs::path& path) {
  const std::string text = read_utf8(path);
  const Json json = with_context(
      path.string(), [&] { return parse_json(text, {.max_bytes = kMaxFileBytes, .max_depth = kMaxDepth}); });
  if (!json.is_object()) {
    check_messages(json, path);
    return {text, {}};
  }
  // The order of keys reaches the template, so the texts are cut out rather than written anew.
  const nlohmann::ordered_json ordered = nlohmann::ordered_json::parse(text);
  check_messages(json.value("messages", Json()), path);
  ChatFile chat{ordered["messages"].dump(), {}};
  if (json.contains("tools") && !json["tools"].is_null()) {
    if (!json["tools"].is_array()) fail("{}: tools: a list was expected", path.string());
    chat.tools = ordered["tools"].dump();
  }
  return chat;
}

Chat::Found Chat::find(const fs::path& folder) {
  std::error_code error;
  const fs::path own = folder / "chat_template.jinja";
  if (fs::exists(own, error)) return {own, read_utf8(own)};
  const fs::path config = folder / "tokenizer_config.json";
  if (fs::exists(config, error)) {
    const Json json = read_json_file(config, {.max_bytes = kMaxFileBytes, .max_depth = kMaxDepth});
    const auto stated = json.is_object() ? json.find("chat_template") : json.end();
    std::string text = stated != json.end() ? stated_template(*stated) : std::string();
    if (!text.empty()) return {config, std::move(text)};
  }
  fail(
      "{}: has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json): it is no chat "
      "model; ask without --chat",
      folder.string());
}

Chat::Chat(const fs::path& folder, const Tokenizer& tokenizer) : Chat(find(folder), tokenizer) {}

Chat::Chat(const Found& found, const Tokenizer& tokenizer)
    : file_(found.file), template_(with_context(file_.string(), [&] { return ChatTemplate(found.text); })) {
  for (const SpecialToken& token : tokenizer.special_tokens()) special_tokens_[token.role] = token.token;
}

std::string Chat::prompt(const ChatFile& chat) const {
  Json variables = special_tokens_;
  variables["add_generation_prompt"] = true;
  return with_context(file_.string(), [&] {
    return template_.render({chat.messages, chat.tools, variables.dump(), local_time()});
  });
}

}  // namespace bantam
