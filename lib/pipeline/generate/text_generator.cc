#include "pipeline/generate/text_generator.h"

#include <fmt/ranges.h>

#include <utility>

namespace bantam {

TextGenerator::TextGenerator(const BundleModel& bundle, const Session& session)
    : bundle_(bundle),
      tokenizer_(load_tokenizer(bundle)),
      config_(read_generation_config(bundle)),
      generator_(session) {}

GenerationOptions TextGenerator::defaults() const {
  GenerationOptions options;
  options.sampling.repetition_penalty = config_.repetition_penalty;
  options.sampling.no_repeat_ngram = config_.no_repeat_ngram;
  if (config_.max_new_tokens) options.max_new_tokens = *config_.max_new_tokens;
  options.context = config_.context;
  options.switch_length = config_.switch_length;
  options.stop_ids = config_.eos_token_ids;
  return options;
}

std::vector<std::string> TextGenerator::notes(const GenerationOptions& options) const {
  std::vector<std::string> keys = config_.not_applied;
  if (options.sampling.temperature > 0)
    keys.insert(keys.end(), config_.not_applied_to_draws.begin(), config_.not_applied_to_draws.end());
  if (keys.empty()) return {};
  return {fmt::format("{}: {}: set and not applied here, so that transformers may write another text",
                      config_.settings_file, fmt::join(keys, ", "))};
}

GeneratedText TextGenerator::complete(std::string_view prompt, const GenerationOptions& options,
                                      const TextSink& sink) const {
  std::vector<std::int64_t> ids = tokenizer_.encode(prompt).ids;
  if (ids.empty() && config_.bos_token_id) ids.push_back(*config_.bos_token_id);
  return generate(std::string(prompt), ids, TextStream(tokenizer_, ids), options, sink);
}

GeneratedText TextGenerator::answer(const ChatFile& chat, const GenerationOptions& options,
                                    const TextSink& sink) {
  if (!chat_) chat_.emplace(bundle_.root, tokenizer_);
  std::string prompt = chat_->prompt(chat);
  const std::vector<std::int64_t> ids = tokenizer_.encode(prompt, {.add_special_tokens = false}).ids;
  return generate(std::move(prompt), ids, TextStream(tokenizer_), options, sink);
}

GeneratedText TextGenerator::generate(std::string prompt, const std::vector<std::int64_t>& ids,
                                      TextStream stream, const GenerationOptions& options,
                                      const TextSink& sink) const {
  GeneratedText result{std::move(prompt), {}, {}};
  const auto write = [&](const std::string& piece) {
    result.text += piece;
    return piece.empty() || !sink || sink(piece);
  };
  result.generation =
      generator_.generate(ids, options, [&](std::int64_t token) { return write(stream.push(token)); });
  write(stream.finish());
  return result;
}

}  // namespace bantam
