#include "pipeline/generate/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"

namespace bantam {
namespace {

const std::vector<float> kLogits = {1.0F, 3.0F, -1.0F, 3.0F, 2.0F};

std::map<std::int64_t, int> counts(const SamplingOptions& options, int draws = 20000,
                                   const std::vector<float>& logits = kLogits) {
  Sampler sampler(options);
  std::map<std::int64_t, int> seen;
  for (int i = 0; i < draws; ++i) ++seen[sampler.pick(logits, {})];
  return seen;
}

TEST(Sampler, TakesTheFirstOfTheLargestWithoutTemperature) {
  EXPECT_EQ(Sampler({}).pick(kLogits, {}), 1);
}

TEST(Sampler, RepeatsNoTokens) {
  const std::vector<std::int64_t> context = {0, 1, 0};
  EXPECT_EQ(Sampler({.no_repeat_ngram = 2}).pick(kLogits, context), 3);  // 0 was followed by 1
  EXPECT_EQ(Sampler({.no_repeat_ngram = 3}).pick(kLogits, context), 1);
  const std::vector<std::int64_t> all = {0, 1, 2, 3, 4};
  EXPECT_THROW(Sampler({.no_repeat_ngram = 1}).pick(kLogits, all), Error);
}

TEST(Sampler, DrawsByTheSoftmaxOfTheTemperature) {
  for (const double temperature : {0.5, 1.0, 2.0}) {
    double total = 0;
    for (const float logit : kLogits) total += std::exp(logit / temperature);
    const auto seen = counts({.temperature = temperature, .seed = 7});
    for (std::size_t i = 0; i < kLogits.size(); ++i) {
      const double expected = std::exp(kLogits[i] / temperature) / total;
      const auto found = seen.find(static_cast<std::int64_t>(i));
      const double share = found == seen.end() ? 0 : found->second / 20000.0;
      // Four standard deviations of a binomial share.
      EXPECT_NEAR(share, expected, 4 * std::sqrt(expected * (1 - expected) / 20000))
          << i << " at " << temperature;
    }
  }
}

TEST(Sampler, KeepsTheTopKAndWhatEqualsTheLastOfThem) {
  const auto seen = counts({.temperature = 1, .top_k = 1});
  EXPECT_EQ(seen.size(), 2u);  // 1 and 3 have equal logits, as in transformers
  EXPECT_TRUE(seen.contains(1) && seen.contains(3));
  EXPECT_EQ(counts({.temperature = 1, .top_k = 3}).size(), 3u);
  EXPECT_EQ(counts({.temperature = 1, .top_k = 99}).size(), 5u);
}

TEST(Sampler, KeepsTheLikeliestUntilTheirShareIsReached) {
  // Shares: 0.400, 0.400, 0.147, 0.054, 0.007.
  EXPECT_EQ(counts({.temperature = 1, .top_p = 1e-9}).size(), 1u);
  EXPECT_EQ(counts({.temperature = 1, .top_p = 0.39}).size(), 1u);
  EXPECT_EQ(counts({.temperature = 1, .top_p = 0.5}).size(), 2u);
  EXPECT_EQ(counts({.temperature = 1, .top_p = 0.9}).size(), 3u);
  EXPECT_EQ(counts({.temperature = 1, .top_p = 0.99}).size(), 4u);
  EXPECT_EQ(counts({.temperature = 1, .top_p = 1}).size(), 5u);
}

TEST(Sampler, PenalizesWhatTheContextHolds) {
  const std::vector<std::int64_t> context = {1, 3, 1, 99, -1};
  EXPECT_EQ(Sampler({.repetition_penalty = 2}).pick(kLogits, context), 4);
  const std::vector<float> negative = {-1.0F, -1.2F};
  EXPECT_EQ(Sampler({.repetition_penalty = 1.5}).pick(negative, std::vector<std::int64_t>{0}), 1);
  EXPECT_EQ(Sampler({.repetition_penalty = 1.1}).pick(negative, std::vector<std::int64_t>{0}), 0);
}

TEST(Sampler, GivesTheSameTokensForTheSameSeed) {
  const auto tokens = [](std::uint64_t seed) {
    Sampler sampler({.temperature = 1, .seed = seed});
    std::vector<std::int64_t> all;
    for (int i = 0; i < 20; ++i) all.push_back(sampler.pick(kLogits, {}));
    return all;
  };
  EXPECT_EQ(tokens(1), tokens(1));
  EXPECT_NE(tokens(1), tokens(2));
}

TEST(Sampler, LeavesOutWhatIsImpossible) {
  const float none = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(counts({.temperature = 1}, 2000, {none, 0.0F, none}).size(), 1u);
}

TEST(Sampler, RefusesLogitsAndOptionsOutOfRange) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  EXPECT_THROW(Sampler({}).pick(std::vector<float>{0.0F, nan}, {}), Error);
  EXPECT_THROW(Sampler({}).pick(std::vector<float>{0.0F, inf}, {}), Error);
  EXPECT_THROW(Sampler({}).pick(std::vector<float>{-inf, -inf}, {}), Error);
  EXPECT_THROW(Sampler({.temperature = -1}), Error);
  EXPECT_THROW(Sampler({.temperature = std::nan("")}), Error);
  EXPECT_THROW(Sampler({.top_k = -1}), Error);
  EXPECT_THROW(Sampler({.top_p = 0}), Error);
  EXPECT_THROW(Sampler({.top_p = 1.01}), Error);
  EXPECT_THROW(Sampler({.repetition_penalty = 0}), Error);
}

}  // namespace
}  // namespace bantam
