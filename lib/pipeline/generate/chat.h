#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "calibrate/chat_template.h"
#include "calibrate/tokenizer.h"

namespace bantam {

// A conversation as JSON, [{"role", "content"}, ...].
std::string chat_messages(const std::optional<std::string>& system, std::string_view user);
// The same from a file: a list of messages, or an object with `messages` and, optionally, `tools`. Errors
// name the file and the message.
struct ChatFile {
  std::string messages;
  std::string tools;  // empty: none
};
ChatFile read_chat_file(const std::filesystem::path& path);

// The chat template of a folder: chat_template.jinja, else the default one of tokenizer_config.json, as
// transformers looks for it. Errors name the file.
class Chat {
 public:
  // An error that says what to do where the folder has no template.
  Chat(const std::filesystem::path& folder, const Tokenizer& tokenizer);

  // What the model reads: the conversation with the head of an answer behind it. Special tokens are in it: it
  // is encoded without adding any.
  std::string prompt(const ChatFile& chat) const;

 private:
  struct Found {
    std::filesystem::path file;
    std::string text;
  };
  static Found find(const std::filesystem::path& folder);
  Chat(const Found& found, const Tokenizer& tokenizer);

  std::filesystem::path file_;
  ChatTemplate template_;
  std::map<std::string, std::string> special_tokens_;  // by role
};

}  // namespace bantam
