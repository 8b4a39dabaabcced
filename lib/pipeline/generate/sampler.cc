#include "pipeline/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace bantam {
namespace {

constexpr double kLeftOut = -std::numeric_limits<double>::infinity();

// Places the first of the largest; NaN and a row without a finite value are errors.
std::size_t largest(std::span<const float> logits) {
  BANTAM_ASSERT(!logits.empty());
  std::size_t best = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) fail("the model gives NaN for token {}", i);
    if (logits[i] > logits[best]) best = i;
  }
  if (!std::isfinite(logits[best])) fail("the model gives {} for token {}", logits[best], best);
  return best;
}

}  // namespace

void check(const SamplingOptions& options) {
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature))
    fail("a temperature of {} where 0 or more was expected", options.temperature);
  if (!(options.top_p > 0 && options.top_p <= 1))
    fail("a top-p of {} where more than 0 and at most 1 was expected", options.top_p);
  if (options.top_k < 0) fail("a top-k of {} where 0 or more was expected", options.top_k);
  if (!(options.repetition_penalty > 0) || !std::isfinite(options.repetition_penalty))
    fail("a repetition penalty of {} where more than 0 was expected", options.repetition_penalty);
  if (options.no_repeat_ngram < 0)
    fail("a no-repeat n-gram of {} where 0 or more was expected", options.no_repeat_ngram);
}

Sampler::Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) {
  check(options);
}

std::int64_t Sampler::pick(std::span<const float> logits, std::span<const std::int64_t> context) {
  const std::size_t best = largest(logits);
  const bool penalty = options_.repetition_penalty != 1;
  const bool ngrams = options_.no_repeat_ngram > 0;
  if (options_.temperature == 0 && !penalty && !ngrams) return static_cast<std::int64_t>(best);
  weights_.assign(logits.begin(), logits.end());
  if (penalty) penalize(context);
  if (ngrams) leave_out_ngrams(context);
  if (options_.temperature == 0) return std::ranges::max_element(weights_) - weights_.begin();
  for (double& weight : weights_) weight /= options_.temperature;
  if (options_.top_k > 0) keep_top_k();
  const double top = *std::ranges::max_element(weights_);
  for (double& weight : weights_) weight = std::exp(weight - top);
  if (options_.top_p < 1) keep_top_p();
  return draw();
}

void Sampler::penalize(std::span<const std::int64_t> context) {
  seen_.assign(weights_.size(), false);
  for (const std::int64_t id : context) {
    const auto index = static_cast<std::size_t>(id);
    if (id < 0 || index >= weights_.size() || seen_[index]) continue;
    seen_[index] = true;
    double& weight = weights_[index];
    weight = weight > 0 ? weight / options_.repetition_penalty : weight * options_.repetition_penalty;
  }
}

void Sampler::leave_out_ngrams(std::span<const std::int64_t> context) {
  const std::int64_t before = options_.no_repeat_ngram - 1;  // the tokens that the next one would follow
  if (std::ssize(context) <= before) return;
  const auto last = context.last(static_cast<std::size_t>(before));
  for (auto next = context.begin() + before; next != context.end(); ++next) {
    const auto index = static_cast<std::size_t>(*next);
    if (*next < 0 || index >= weights_.size()) continue;
    if (std::equal(last.begin(), last.end(), next - before)) weights_[index] = kLeftOut;
  }
  if (*std::ranges::max_element(weights_) == kLeftOut)
    fail("no_repeat_ngram_size {} leaves no token to go on with", options_.no_repeat_ngram);
}

void Sampler::keep_top_k() {
  if (options_.top_k >= std::ssize(weights_)) return;
  std::vector<double> sorted = weights_;
  const auto last = sorted.begin() + (options_.top_k - 1);
  std::nth_element(sorted.begin(), last, sorted.end(), std::greater<>());
  for (double& weight : weights_) weight = weight < *last ? kLeftOut : weight;
}

// A heap, since few tokens hold most of the share.
void Sampler::keep_top_p() {
  const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  const auto less_likely = [&](std::int64_t a, std::int64_t b) {
    const double x = weights_[static_cast<std::size_t>(a)], y = weights_[static_cast<std::size_t>(b)];
    return x != y ? x < y : a > b;
  };
  order_.resize(weights_.size());
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  std::ranges::make_heap(order_, less_likely);
  double kept = 0;
  auto end = order_.end();
  while (end != order_.begin() && kept < options_.top_p * total) {
    std::pop_heap(order_.begin(), end, less_likely);
    --end;
    kept += weights_[static_cast<std::size_t>(*end)];
  }
  for (auto left_out = order_.begin(); left_out != end; ++left_out)
    weights_[static_cast<std::size_t>(*left_out)] = 0;
}

std::int64_t Sampler::draw() {
  const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  const double target = random_.uniform() * total;
  double sum = 0;
  std::int64_t chosen = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] <= 0) continue;
    chosen = static_cast<std::int64_t>(i);
    sum += weights_[i];
    if (sum > target) break;
  }
  return chosen;
}

}  // namespace bantam
