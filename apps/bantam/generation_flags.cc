#include "generation_flags.h"

#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace bantam {

std::string_view GenerationFlags::given() const {
  const std::array<std::pair<bool, std::string_view>, 9> all = {
      {{chat, "--chat"},
       {system.has_value(), "--system"},
       {messages.has_value(), "--messages"},
       {max_new_tokens.has_value(), "--max-new-tokens"},
       {temperature.has_value(), "--temperature"},
       {top_k.has_value(), "--top-k"},
       {top_p.has_value(), "--top-p"},
       {repetition_penalty.has_value(), "--repetition-penalty"},
       {seed.has_value(), "--seed"}}};
  for (const auto& [is_given, option] : all) {
    if (is_given) return option;
  }
  return {};
}

void declare_generation_flags(Options& options, GenerationFlags& flags) {
  options.group("Text generation");
  options.add("--chat", flags.chat,
              "The text is a user's message: put it through the bundle's chat template.");
  options.add("--system TEXT", flags.system, "The system message of the conversation; implies --chat.");
  options.add(
      "--messages FILE", flags.messages,
      "A conversation as JSON: [{\"role\": \"user\", \"content\": \"...\"}, ...], or an object with messages and "
      "tools.");
  options.add("--max-new-tokens N", flags.max_new_tokens,
              "Most tokens to generate. Default: what generation_config.json says, else 256.",
              {.min = 1, .max = 1 << 20});
  options.add(
      "--temperature T", flags.temperature,
      "Draw tokens, from logits divided by T. Default: 0, the likeliest token always; 1 with --top-k or "
      "--top-p.");
  options.add("--top-k N", flags.top_k, "Draw among the N likeliest tokens.", {.min = 1, .max = 1 << 30});
  options.add("--top-p P", flags.top_p,
              "Draw among the likeliest tokens that together have the probability P.");
  options.add(
      "--repetition-penalty R", flags.repetition_penalty,
      "Make tokens that occurred less likely (above 1). Default: what generation_config.json says, else 1.");
  options.add("--seed N", flags.seed, "Of drawing tokens. Default: 0.", {.min = 0});
}

GenerationOptions generation_options(const GenerationFlags& flags, GenerationOptions defaults) {
  SamplingOptions& sampling = defaults.sampling;
  const bool draws = flags.top_k || flags.top_p;
  if (flags.temperature) {
    if (!(*flags.temperature >= 0) || !std::isfinite(*flags.temperature))
      fail_usage("run: --temperature {}: 0 or more was expected", *flags.temperature);
    if (*flags.temperature == 0 && draws)
      fail_usage(
          "run: --temperature 0 takes the likeliest token; --top-k and --top-p draw: give one of them");
  }
  if (flags.top_p && !(*flags.top_p > 0 && *flags.top_p <= 1))
    fail_usage("run: --top-p {}: more than 0 and at most 1 was expected", *flags.top_p);
  if (flags.repetition_penalty &&
      !(*flags.repetition_penalty > 0 && std::isfinite(*flags.repetition_penalty)))
    fail_usage("run: --repetition-penalty {}: more than 0 was expected", *flags.repetition_penalty);
  sampling.temperature = flags.temperature.value_or(draws ? 1 : 0);
  if (flags.seed && sampling.temperature == 0)
    fail_usage("run: --seed is for drawing tokens: give --temperature, --top-k or --top-p");
  sampling.top_k = flags.top_k.value_or(0);
  sampling.top_p = flags.top_p.value_or(1);
  sampling.repetition_penalty = flags.repetition_penalty.value_or(sampling.repetition_penalty);
  sampling.seed = static_cast<std::uint64_t>(flags.seed.value_or(0));
  defaults.max_new_tokens = flags.max_new_tokens.value_or(defaults.max_new_tokens);
  return defaults;
}

}  // namespace bantam
