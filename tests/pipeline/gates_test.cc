#include "pipeline/report/gates.h"

#include <gtest/gtest.h>

namespace bantam {
namespace {

Report with(const Estimate& retention, std::int64_t bytes, double kl) {
  Report report;
  report.model = "m & <m>";
  report.samples = 100;
  VariantReport variant;
  variant.dtype = "q4";
  variant.bytes = bytes;
  variant.retention = retention;
  variant.agreement.kl = {kl};
  variant.agreement.kl_mean = kl;
  report.variants.push_back(variant);
  return report;
}

TEST(Gates, PassMissAndUndecidedByThePairedInterval) {
  const Report report = with({0.985, 0.98, 0.992}, 1000, 0.01);
  EXPECT_EQ(
      check_gates(report, {.min_retention = 0.97, .max_kl = {}, .max_bytes = {}, .max_regression = {}})[0]
          .verdict,
      Gate::Verdict::kPassed);
  EXPECT_EQ(
      check_gates(report, {.min_retention = 0.995, .max_kl = {}, .max_bytes = {}, .max_regression = {}})[0]
          .verdict,
      Gate::Verdict::kMissed);
  const Gate open =
      check_gates(report, {.min_retention = 0.99, .max_kl = {}, .max_bytes = {}, .max_regression = {}})[0];
  EXPECT_EQ(open.verdict, Gate::Verdict::kUndecided);
  EXPECT_NE(open.text.find("196 samples would decide"), std::string::npos)
      << open.text;  // (0.007 / 0.005)^2 x 100
}

TEST(Gates, BytesAndKlAreExactLimits) {
  const Report report = with({1, 1, 1}, 1000, 0.01);
  EXPECT_FALSE(any_missed(
      check_gates(report, {.min_retention = {}, .max_kl = 0.01, .max_bytes = 1000, .max_regression = {}})));
  EXPECT_TRUE(any_missed(
      check_gates(report, {.min_retention = {}, .max_kl = 0.0099, .max_bytes = {}, .max_regression = {}})));
  EXPECT_TRUE(any_missed(
      check_gates(report, {.min_retention = {}, .max_kl = {}, .max_bytes = 999, .max_regression = {}})));
}

TEST(Gates, RegressionAgainstAnEarlierReport) {
  const GateLimits limits{.min_retention = {}, .max_kl = {}, .max_bytes = {}, .max_regression = 0.005};
  const Report before = with({0.99, 0.989, 0.991}, 1000, 0.01);
  EXPECT_EQ(check_gates(with({0.987, 0.986, 0.988}, 1, 0), limits, before)[0].verdict,
            Gate::Verdict::kPassed);
  EXPECT_EQ(check_gates(with({0.97, 0.969, 0.971}, 1, 0), limits, before)[0].verdict, Gate::Verdict::kMissed);
  EXPECT_EQ(check_gates(with({0.984, 0.97, 0.99}, 1, 0), limits, before)[0].verdict,
            Gate::Verdict::kUndecided);
}

TEST(Gates, ANonFiniteVariantMissesAnyGate) {
  Report report = with({1, 1, 1}, 1, 0);
  report.variants[0].first_nonfinite = "/encoder/Softmax";
  EXPECT_TRUE(any_missed(
      check_gates(report, {.min_retention = 0.5, .max_kl = {}, .max_bytes = {}, .max_regression = {}})));
}

TEST(Gates, JunitCountsAndEscapes) {
  Report report = with({0.985, 0.98, 0.992}, 1000, 0.01);
  report.gates =
      check_gates(report, {.min_retention = 0.99, .max_kl = 0.001, .max_bytes = {}, .max_regression = {}});
  const std::string xml = junit_xml(report);
  EXPECT_NE(xml.find("tests=\"2\" failures=\"1\" skipped=\"1\""), std::string::npos) << xml;
  EXPECT_NE(xml.find("m &amp; &lt;m&gt;"), std::string::npos);
}

}  // namespace
}  // namespace bantam
