#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "pipeline/generate/sampler.h"
#include "runtime/session.h"

namespace bantam {

struct GenerationOptions {
  SamplingOptions sampling = {};
  std::int64_t max_new_tokens = 256;
  std::int64_t context = 0;  // most tokens, prompt included; 0: no limit
  // A text that grows over so many tokens is read anew, once, as its older keys have turned by other
  // frequencies (LongRoPE, arXiv:2402.13753; transformers does the same); 0: never.
  std::int64_t switch_length = 0;
  std::vector<std::int64_t> stop_ids = {};  // generating ends behind any of them
};

enum class FinishReason : std::uint8_t {
  kStop,     // a stop id, which is the last of the tokens
  kLength,   // max_new_tokens
  kContext,  // the context is full
  kCaller,   // the caller had enough
};
std::string_view name(FinishReason reason);

struct Generation {
  std::vector<std::int64_t> tokens;
  FinishReason reason = FinishReason::kLength;
  std::int64_t prompt_tokens = 0;
  double prefill_seconds = 0;  // reading the prompt, which gives the first token
  double decode_seconds = 0;   // the others
};

// Tokens per second; 0 where none was measured.
double prefill_speed(const Generation& generation);
double decode_speed(const Generation& generation);

// Called with every token as it comes; false: enough.
using TokenSink = std::function<bool(std::int64_t token)>;

// Runs a decoder graph as transformers.js does, batch one: the prompt in one pass, then token by token with
// the cache of keys and values that the pass before gave. Needs input_ids, attention_mask and logits; feeds
// position_ids, past_key_values.* and num_logits_to_keep where the graph declares them.
class Generator {
 public:
  // `session` outlives the generator. An error where it is no decoder with a cache.
  explicit Generator(const Session& session);

  // Errors: an empty prompt, one that leaves no room in the context, logits that are not finite.
  Generation generate(std::span<const std::int64_t> prompt, const GenerationOptions& options,
                      const TokenSink& sink = {}) const;

 private:
  const Session& session_;
};

}  // namespace bantam
