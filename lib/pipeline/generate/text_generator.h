#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calibrate/tokenizer.h"
#include "pipeline/bundle_model.h"
#include "pipeline/generate/chat.h"
#include "pipeline/generate/generation_config.h"
#include "pipeline/generate/generator.h"
#include "pipeline/generate/text_stream.h"

namespace bantam {

struct GeneratedText {
  std::string prompt;  // what the model read, as text
  std::string text;    // what it wrote
  Generation generation;
};

// Called with text as it comes, valid UTF-8 (TextStream); false: enough.
using TextSink = std::function<bool(std::string_view piece)>;

// A decoder bundle's variant that continues texts and answers conversations.
class TextGenerator {
 public:
  // `session` is one of the bundle's variants; both outlive the generator. Errors where the bundle holds no
  // tokenizer or the graph is no decoder.
  TextGenerator(const BundleModel& bundle, const Session& session);

  // Greedy, with what the bundle says about stop ids, context, penalty, n-grams and length.
  GenerationOptions defaults() const;

  // What the user should know: at most one note, of the settings in the bundle's generation_config.json that
  // would change what transformers writes with such options, and that are not applied here.
  std::vector<std::string> notes(const GenerationOptions& options) const;

  // Continues a text, encoded with the special tokens that the tokenizer adds; a text without any token
  // begins with bos_token_id.
  GeneratedText complete(std::string_view prompt, const GenerationOptions& options,
                         const TextSink& sink = {}) const;
  // Answers the last message of a conversation, through the bundle's chat template.
  GeneratedText answer(const ChatFile& chat, const GenerationOptions& options, const TextSink& sink = {});

 private:
  GeneratedText generate(std::string prompt, const std::vector<std::int64_t>& ids, TextStream stream,
                         const GenerationOptions& options, const TextSink& sink) const;

  const BundleModel& bundle_;
  Tokenizer tokenizer_;
  GenerationConfig config_;
  Generator generator_;
  std::optional<Chat> chat_;  // read when it is first needed
};

}  // namespace bantam
