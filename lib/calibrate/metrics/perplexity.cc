#include "calibrate/metrics/perplexity.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace bantam {

double negative_log_likelihood(std::span<const float> logits, std::int64_t target) {
  BANTAM_ASSERT(target >= 0 && target < std::ssize(logits));
  float largest = -std::numeric_limits<float>::infinity();
  for (const float logit : logits) {
    if (std::isnan(logit)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, logit);
  }
  if (!std::isfinite(largest)) return std::numeric_limits<double>::infinity();
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return std::log(sum) + largest - logits[static_cast<std::size_t>(target)];
}

Perplexity perplexity(std::span<const WindowLoss> windows) {
  Perplexity result;
  double sum = 0;
  for (const WindowLoss& window : windows) {
    sum += window.sum;
    result.tokens += window.tokens;
  }
  if (result.tokens == 0) return result;
  const double mean = sum / static_cast<double>(result.tokens);
  result.value = std::exp(mean);
  // Variance of a ratio of sums, windows drawn independently.
  const auto count = static_cast<double>(windows.size());
  if (count < 2) return result;
  double squares = 0;
  for (const WindowLoss& window : windows) {
    const double residual = window.sum - mean * static_cast<double>(window.tokens);
    squares += residual * residual;
  }
  const double error = std::sqrt(squares * count / (count - 1)) / static_cast<double>(result.tokens);
  result.standard_error = result.value * error;
  return result;
}

std::vector<TextWindow> text_windows(std::int64_t tokens, std::int64_t context, std::int64_t stride) {
  BANTAM_ASSERT(context >= 2 && stride >= 1 && stride <= context);
  std::vector<TextWindow> windows;
  std::int64_t scored = 1;
  for (std::int64_t begin = 0; scored < tokens; begin += stride) {
    const std::int64_t end = std::min(begin + context, tokens);
    const std::int64_t from = std::max(scored, begin + 1);
    if (from < end) windows.push_back({begin, end, from});
    scored = std::max(scored, end);
  }
  return windows;
}

}  // namespace bantam
