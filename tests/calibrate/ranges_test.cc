// Pickers of ranges: entropy and percentile against onnxruntime's Python on the same histograms
// (testdata/ranges), least error against trying.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "calibrate/ranges/range_picker.h"

namespace bantam {
namespace {

struct Case {
  std::string name;
  LinearHistogram histogram;
  std::int64_t levels = 0;
  double percentile = 0;
  std::vector<Range> entropy;  // those that are equally good but for float32's rounding
  Range cut;
};

std::vector<Case> cases() {
  const Json json = read_json_file(std::string(BANTAM_TESTDATA) + "/ranges/cases.json");
  std::vector<Case> all;
  for (const Json& entry : json["cases"]) {
    Case made;
    made.name = entry["name"];
    made.histogram.counts = entry["counts"].get<std::vector<double>>();
    const double largest = entry["largest"], bins = static_cast<double>(made.histogram.counts.size());
    for (std::size_t i = 0; i <= made.histogram.counts.size(); ++i) {
      made.histogram.edges.push_back(
          static_cast<float>(-largest + 2 * largest * static_cast<double>(i) / bins));
    }
    made.histogram.low = entry["low"];
    made.histogram.high = entry["high"];
    made.levels = entry["levels"];
    made.percentile = entry["percentile"];
    for (const Json& range : entry["entropy"]) made.entropy.push_back({range[0], range[1]});
    made.cut = {entry["cut"][0], entry["cut"][1]};
    all.push_back(std::move(made));
  }
  return all;
}

TEST(EntropyRange, IsOnnxruntimes) {
  for (const Case& test : cases()) {
    const Range range = entropy_threshold(test.histogram, test.levels, 1);
    const auto same = [&](const Range& theirs) {
      return std::abs(range.low - theirs.low) < 1e-4f && std::abs(range.high - theirs.high) < 1e-4f;
    };
    EXPECT_TRUE(std::ranges::any_of(test.entropy, same))
        << test.name << ": " << range.low << " to " << range.high;
  }
}

TEST(PercentileRange, IsOnnxruntimes) {
  for (const Case& test : cases()) {
    const Range range = percentile_threshold(test.histogram, test.percentile);
    EXPECT_FLOAT_EQ(range.low, test.cut.low) << test.name;
    EXPECT_FLOAT_EQ(range.high, test.cut.high) << test.name;
  }
}

// Values as a site has seen them: channel 0 of 4 counts a hundredfold.
SiteStatistics seen(const std::vector<float>& values) {
  SiteStatistics site(4, {true, false, false});
  site.rows = std::ssize(values) / 4;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto bin = static_cast<std::size_t>(Histogram::bin(values[i]));
    site.histogram[bin] += 1;
    site.weighted[bin] += i % 4 == 0 ? 100 : 1;
    site.low = std::min(site.low, values[i]);
    site.high = std::max(site.high, values[i]);
  }
  return site;
}

float normal(Random& random) {
  float sum = 0;
  for (int i = 0; i < 12; ++i) sum += static_cast<float>(random.uniform());
  return sum - 6;
}

// Squared error of rounding the values themselves.
double true_error(const std::vector<float>& values, Range range, bool weighted) {
  const double step = (static_cast<double>(range.high) - range.low) / 255;
  const double zero = std::nearbyint(-range.low / step);
  double error = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double code = std::clamp(std::nearbyint(values[i] / step) + zero, 0.0, 255.0);
    const double difference = (code - zero) * step - values[i];
    error += difference * difference * (weighted && i % 4 == 0 ? 100 : 1);
  }
  return error;
}

std::vector<float> with_outliers() {
  Random random(11);
  std::vector<float> values;
  for (int i = 0; i < 400000; ++i) values.push_back(normal(random));
  values[5] = 60;
  values[1001] = -45;
  return values;
}

TEST(LeastErrorRange, KnowsTheErrorOfEveryRange) {
  const std::vector<float> values = with_outliers();
  const SiteStatistics site = seen(values);
  for (const Range range :
       {Range{-45, 60}, Range{-4, 4}, Range{-3, 60}, Range{-1, 0.5f}, Range{-45, 0}, Range{-9, 11}}) {
    const double expected = true_error(values, range, false);
    EXPECT_NEAR(range_error(site.histogram, range, site.low, site.high), expected, 0.02 * expected);
  }
}

TEST(LeastErrorRange, IsBestOfAGrid) {
  const std::vector<float> values = with_outliers();
  const SiteStatistics site = seen(values);
  const Range range = mse_range(site);
  const double error = true_error(values, range, false);
  EXPECT_LT(error, 0.8 * true_error(values, min_max_range(site), false));
  for (float low = -45; low < -1; low *= 0.8f) {
    for (float high = 60; high > 1; high *= 0.8f)
      EXPECT_LT(error, 1.03 * true_error(values, {low, high}, false));
  }
}

TEST(OutputErrorRange, KeepsOutliersOfChannelsThatCount) {
  std::vector<float> values = with_outliers();
  const Range plain = mse_range(seen(values));
  values[5] = 1;
  values[8] = 60;  // in channel 0
  const Range kept = output_error_range(seen(values));
  EXPECT_GT(kept.high, 1.1f * plain.high);
  EXPECT_LT(true_error(values, kept, true), true_error(values, plain, true));
}

TEST(RangePickers, AlwaysHoldZeroAndStayWithinWhatWasSeen) {
  Random random(5);
  for (const auto& [scale, shift] :
       {std::pair{1.0f, 0.0f}, {0.001f, 3.0f}, {20.0f, -90.0f}, {0.0f, 0.0f}, {0.0f, 2.0f}, {1e-9f, 0.0f}}) {
    std::vector<float> values;
    for (int i = 0; i < 4000; ++i) values.push_back(normal(random) * scale + shift);
    const SiteStatistics site = seen(values);
    for (const RangePicker& picker : range_pickers()) {
      const Range range = picker.pick(site);
      EXPECT_LE(range.low, 0.0f) << picker.name << " " << shift;
      EXPECT_GE(range.high, 0.0f) << picker.name << " " << shift;
      EXPECT_GE(range.low, std::min(site.low, 0.0f)) << picker.name << " " << shift;
      EXPECT_LE(range.high, std::max(site.high, 0.0f)) << picker.name << " " << shift;
      if (scale != 1.0f) continue;
      EXPECT_LT(range.low, -2.0f) << picker.name;
      EXPECT_GT(range.high, 2.0f) << picker.name;
    }
  }
}

TEST(RangePickers, AreFoundByName) {
  for (const RangePicker& picker : range_pickers())
    EXPECT_EQ(find_range_picker(picker.name).name, picker.name);
  EXPECT_EQ(find_range_picker("").name, range_pickers().front().name);
  EXPECT_THROW(find_range_picker("best"), Error);
}

}  // namespace
}  // namespace bantam
