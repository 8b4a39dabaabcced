#include "calibrate/metrics/agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "calibrate/metrics/bootstrap.h"

namespace bantam {
namespace {

// scipy.special.softmax and scipy.stats.entropy of the same numbers.
TEST(Agreement, KlDivergenceEqualsScipys) {
  const std::vector<float> p = {0.5f, -1.25f, 2.0f, 0.0f};
  const std::vector<float> q = {0.25f, -1.0f, 1.5f, 0.5f};
  EXPECT_NEAR(kl_divergence(p, q), 0.05975990951294634, 1e-12);
  EXPECT_EQ(kl_divergence(p, p), 0);
  const std::vector<float> huge = {30000.f, 0.f, 0.f, 0.f};
  EXPECT_NEAR(kl_divergence(huge, huge), 0, 1e-12);
  const std::vector<float> broken = {0.f, std::nanf(""), 0.f, 0.f};
  EXPECT_TRUE(std::isinf(kl_divergence(p, broken)));
}

TEST(Agreement, CosineAndSqnrOfKnownVectors) {
  const std::vector<float> a = {3, 4}, b = {4, 3}, zero = {0, 0}, half = {1.5f, 2};
  EXPECT_NEAR(cosine(a, b), 0.96, 1e-12);
  EXPECT_NEAR(cosine(a, half), 1, 1e-12);
  EXPECT_EQ(cosine(zero, zero), 1);
  EXPECT_EQ(cosine(a, zero), 0);
  EXPECT_NEAR(sqnr_db(a, half), 20 * std::log10(2.0), 1e-9);
  EXPECT_EQ(sqnr_db(a, a), kExactSqnr);
}

TEST(Agreement, QuantileInterpolatesLikeNumpy) {
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({10, 20, 30}, 0.25), 15);
  EXPECT_DOUBLE_EQ(quantile({7}, 0.999), 7);
}

TEST(Agreement, CollectsRowsAndSeesNan) {
  AgreementCollector collector(true);
  collector.add_rows(std::vector<float>{1, 2, 5, 0}, std::vector<float>{2, 1, 5, 1}, 2);
  EXPECT_EQ(collector.positions(), 2);
  EXPECT_DOUBLE_EQ(collector.top1(), 0.5);
  EXPECT_DOUBLE_EQ(collector.max_abs(), 1);
  collector.add(std::vector<float>{1, 2}, std::vector<float>{std::nanf(""), 2});
  EXPECT_TRUE(std::isinf(collector.max_abs()));
}

TEST(Bootstrap, IsDeterministicAndCoversTheStandardError) {
  std::vector<double> right(1000);
  for (std::size_t i = 0; i < right.size(); ++i) right[i] = i % 5 == 0 ? 0 : 1;
  const SampleScore accuracy = [&](std::span<const std::int64_t> samples) {
    double sum = 0;
    for (const std::int64_t s : samples) sum += right[static_cast<std::size_t>(s)];
    return sum / static_cast<double>(samples.size());
  };
  const Interval interval = bootstrap(1000, accuracy, {.resamples = 2000, .seed = 3});
  EXPECT_DOUBLE_EQ(interval.value, 0.8);
  const double error = 1.96 * std::sqrt(0.8 * 0.2 / 1000);
  EXPECT_NEAR(interval.low, 0.8 - error, 0.003);
  EXPECT_NEAR(interval.high, 0.8 + error, 0.003);
  const Interval again = bootstrap(1000, accuracy, {.resamples = 2000, .seed = 3});
  EXPECT_EQ(interval.low, again.low);
  EXPECT_NE(bootstrap(1000, accuracy, {.resamples = 50, .seed = 4}).low,
            bootstrap(1000, accuracy, {.resamples = 50, .seed = 5}).low);
}

TEST(Bootstrap, PairsCancelWhatBothFindHard) {
  std::vector<double> right(500), other(500);
  for (std::size_t i = 0; i < right.size(); ++i) right[i] = other[i] = i % 3 == 0 ? 0 : 1;
  other[1] = 0;  // one answer differs
  const auto mean = [](const std::vector<double>& values) {
    return [&values](std::span<const std::int64_t> samples) {
      double sum = 0;
      for (const std::int64_t s : samples) sum += values[static_cast<std::size_t>(s)];
      return sum / static_cast<double>(samples.size());
    };
  };
  const Interval paired = paired_retention(500, mean(other), mean(right), {.resamples = 1000, .seed = 1});
  EXPECT_NEAR(paired.value, 1 - 1.0 / 333, 1e-9);
  EXPECT_GT(paired.low, 0.985);
  EXPECT_LE(paired.high, 1.0);
  const Interval same = paired_retention(500, mean(right), mean(right));
  EXPECT_EQ(same.low, 1);
  EXPECT_EQ(same.high, 1);
}

TEST(Bootstrap, SaysHowManySamplesWouldDecide) {
  EXPECT_EQ(samples_to_decide({0.995, 0.985, 1.005}, 0.99, 100), 400);
  EXPECT_EQ(samples_to_decide({0.95, 0.94, 0.96}, 0.99, 100), 100);
  EXPECT_EQ(samples_to_decide({0.99, 0.98, 1.0}, 0.99, 100), 0);
}

}  // namespace
}  // namespace bantam
