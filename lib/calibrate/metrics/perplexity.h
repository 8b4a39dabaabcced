#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bantam {

// -ln softmax(logits)[target], in double. Infinity where a logit is not finite (a lone -infinity is fine).
double negative_log_likelihood(std::span<const float> logits, std::int64_t target);

// What one window of text adds: the sum over its scored tokens.
struct WindowLoss {
  double sum = 0;
  std::int64_t tokens = 0;
};

struct Perplexity {
  double value = 0;  // exp(mean negative log-likelihood)
  double standard_error =
      0;  // of `value`, by the delta method over windows (tokens in one window are not independent)
  std::int64_t tokens = 0;
};

Perplexity perplexity(std::span<const WindowLoss> windows);

// Tokens [begin, end) are one input; those from `score_from` on are scored (each predicted from all before
// it, so that the first of a text never is).
struct TextWindow {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t score_from = 0;
  bool operator==(const TextWindow&) const = default;
};

// Windows of at most `context` tokens that move by `stride` (1 to context) and score every token once, as the
// guide of transformers on fixed-length models does; stride = context gives disjoint windows.
std::vector<TextWindow> text_windows(std::int64_t tokens, std::int64_t context, std::int64_t stride);

}  // namespace bantam
