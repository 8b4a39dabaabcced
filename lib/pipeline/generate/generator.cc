#include "pipeline/generate/generator.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "pipeline/bundle_model.h"

namespace bantam {
namespace {

constexpr std::string_view kPast = "past_key_values.";
constexpr std::string_view kPresent = "present.";
constexpr std::array<std::string_view, 4> kKnown = {"input_ids", "attention_mask", "position_ids",
                                                    "num_logits_to_keep"};
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Tensor row_of(std::span<const std::int64_t> values) {
  return Tensor::of<std::int64_t>({1, std::ssize(values)}, values);
}

// The inputs of the next pass, from tokens, cache and how many tokens came before.
class Feed {
 public:
  explicit Feed(const Session& session) : session_(session) { forget(); }

  std::int64_t past() const { return past_; }

  // Begins anew, with an empty cache.
  void forget() {
    past_ = 0;
    for (const IoSpec& input : session_.inputs()) {
      if (input.name.starts_with(kPast)) inputs_.insert_or_assign(input.name, empty_cache(input, 1));
    }
  }

  // Logits of the last token.
  std::vector<float> run(std::span<const std::int64_t> tokens) {
    const std::int64_t total = past_ + std::ssize(tokens);
    for (const IoSpec& input : session_.inputs()) {
      if (input.name == "input_ids") inputs_.insert_or_assign(input.name, row_of(tokens));
      if (input.name == "attention_mask") {
        inputs_.insert_or_assign(input.name,
                                 row_of(std::vector<std::int64_t>(static_cast<std::size_t>(total), 1)));
      }
      if (input.name == "position_ids") {
        std::vector<std::int64_t> positions(tokens.size());
        std::iota(positions.begin(), positions.end(), past_);
        inputs_.insert_or_assign(input.name, row_of(positions));
      }
      if (input.name == "num_logits_to_keep") {
        const std::int64_t last = 1;
        inputs_.insert_or_assign(input.name, Tensor::of<std::int64_t>({}, std::span(&last, 1)));
      }
    }
    Tensors outputs = session_.run(inputs_);
    past_ = total;
    for (auto& [name, tensor] : outputs) {
      if (name.starts_with(kPresent))
        inputs_.insert_or_assign(std::string(kPast) + name.substr(kPresent.size()), std::move(tensor));
    }
    const Tensor& logits = output(outputs, "logits");
    if (logits.rank() != 3 || logits.dim(0) != 1 || logits.dim(1) < 1 || logits.dim(2) < 1)
      fail("logits of shape {} where [1, tokens, vocabulary] was expected", to_string(logits.shape()));
    std::vector<float> values = to_floats(logits);
    values.erase(values.begin(), values.end() - logits.dim(2));
    return values;
  }

 private:
  const Session& session_;
  Tensors inputs_;
  std::int64_t past_ = 0;
};

std::int64_t room(std::int64_t prompt, const GenerationOptions& options) {
  if (prompt == 0) fail("the prompt has no tokens, and generating needs one to begin with");
  if (options.context == 0) return options.max_new_tokens;
  if (prompt >= options.context) {
    fail("the prompt has {} tokens, and the model takes {} together with what it generates", prompt,
         options.context);
  }
  return std::min(options.max_new_tokens, options.context - prompt);
}

}  // namespace

std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kContext:
      return "context";
    case FinishReason::kCaller:
      return "caller";
  }
  BANTAM_ASSERT(false);
}

double prefill_speed(const Generation& generation) {
  return generation.prefill_seconds > 0
             ? static_cast<double>(generation.prompt_tokens) / generation.prefill_seconds
             : 0;
}

double decode_speed(const Generation& generation) {
  const auto decoded = static_cast<double>(generation.tokens.size()) - 1;
  return generation.decode_seconds > 0 && decoded > 0 ? decoded / generation.decode_seconds : 0;
}

Generator::Generator(const Session& session) : session_(session) {
  bool ids = false, cache = false;
  for (const IoSpec& input : session.inputs()) {
    ids = ids || input.name == "input_ids";
    if (input.name.starts_with(kPast)) {
      cache = true;
      const std::string present = std::string(kPresent) + input.name.substr(kPast.size());
      if (std::ranges::find(session.outputs(), present, &IoSpec::name) == session.outputs().end())
        fail("the graph takes {} and does not give {}", input.name, present);
    } else if (std::ranges::find(kKnown, input.name) == kKnown.end()) {
      fail("the graph wants {}, which text does not give", quote(input.name));
    }
  }
  const bool logits =
      std::ranges::find(session.outputs(), "logits", &IoSpec::name) != session.outputs().end();
  if (!ids || !cache || !logits)
    fail("the graph is no decoder: it needs input_ids, past_key_values.* and logits");
}

Generation Generator::generate(std::span<const std::int64_t> prompt, const GenerationOptions& options,
                               const TokenSink& sink) const {
  const std::int64_t limit = room(std::ssize(prompt), options);
  Sampler sampler(options.sampling);
  Feed feed(session_);
  Generation generation;
  generation.prompt_tokens = std::ssize(prompt);
  std::vector<std::int64_t> context(prompt.begin(), prompt.end());
  const auto begin = Clock::now();
  std::vector<float> logits = feed.run(prompt);
  generation.prefill_seconds = seconds_since(begin);
  const auto second = Clock::now();
  while (std::ssize(generation.tokens) < limit) {
    check_cancelled();
    const std::int64_t token = sampler.pick(logits, context);
    generation.tokens.push_back(token);
    context.push_back(token);
    generation.decode_seconds = seconds_since(second);
    const bool stop = std::ranges::find(options.stop_ids, token) != options.stop_ids.end();
    const bool enough = sink && !sink(token);
    if (stop || enough) {
      generation.reason = stop ? FinishReason::kStop : FinishReason::kCaller;
      return generation;
    }
    if (std::ssize(generation.tokens) == limit) break;
    const bool switches = feed.past() <= options.switch_length && std::ssize(context) > options.switch_length;
    if (options.switch_length > 0 && switches) feed.forget();
    logits = feed.run(std::span(context).subspan(static_cast<std::size_t>(feed.past())));
  }
  generation.reason = limit < options.max_new_tokens ? FinishReason::kContext : FinishReason::kLength;
  return generation;
}

}  // namespace bantam
