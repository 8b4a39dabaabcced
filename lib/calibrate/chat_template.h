#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>

namespace bantam {

// What a chat template is filled in with.
struct ChatInputs {
  std::string messages;  // JSON: [{"role", "content", ...}, ...]; the order of keys reaches the template
  std::string tools;     // JSON: a list of function schemas; empty: none
  std::string
      variables;  // JSON: an object of add_generation_prompt, bos_token and whatever else the template reads
  std::tm now = {};  // local time, for strftime_now
};

// A chat template of transformers: Jinja, run by the minijinja crate and set up as transformers sets up
// Jinja2 (trim_blocks, lstrip_blocks, loop controls, raise_exception, strftime_now, tojson, the tag
// `generation`, methods of Python's strings), so that the text is that of
// tokenizer.apply_chat_template(tokenize=False). Keys of messages that are null are left out, as there. What
// a template may use is bounded: 4 million steps, where 64 bytes of text count as a step. Immutable, safe to
// use from several threads.
class ChatTemplate {
 public:
  // Errors: syntax, with the line; always in a build with -DBANTAM_TOKENIZERS=OFF.
  explicit ChatTemplate(std::string_view source);

  // Errors: what the template raises, undefined names, running for too long; with the line.
  std::string render(const ChatInputs& inputs) const;

 private:
  std::shared_ptr<const void> handle_;
};

}  // namespace bantam
