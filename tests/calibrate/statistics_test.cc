// Exact sums, histograms, and what the collector makes of rows: against sums in long double, spelled out
// here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "calibrate/statistics/collector.h"
#include "calibrate/statistics/exact_sums.h"
#include "calibrate/statistics/histogram.h"

namespace bantam {
namespace {

float normal(Random& random) {
  float sum = 0;
  for (int i = 0; i < 12; ++i) sum += static_cast<float>(random.uniform());
  return sum - 6;
}

TEST(ChannelSums, AddUpToTheSameBitsInAnyOrder) {
  Random random(1);
  std::vector<double> values;
  for (int i = 0; i < 200; ++i) values.push_back(normal(random) * std::exp2(random.below(60) - 30));
  ChannelSums forward(1), backward(1), left(1), right(1);
  for (std::size_t i = 0; i < values.size(); ++i) {
    forward.add(0, values[i]);
    backward.add(0, values[values.size() - 1 - i]);
    (i % 3 == 0 ? left : right).add(0, values[i]);
  }
  right.add(left);
  EXPECT_TRUE(std::ranges::equal(forward.words(), backward.words()));
  EXPECT_TRUE(std::ranges::equal(forward.words(), right.words()));
  long double sum = 0;
  for (const double value : values) sum += value;
  EXPECT_NEAR(forward.at(0), static_cast<double>(sum),
              1e-12 * std::abs(static_cast<double>(sum)) + 200 * 0x1p-48);
}

TEST(ChannelSums, HoldNegativeSums) {
  ChannelSums sums(2);
  sums.add(1, -1.5);
  sums.add(1, -0x1p40);
  EXPECT_EQ(sums.at(0), 0);
  EXPECT_EQ(sums.at(1), -0x1p40 - 1.5);
}

TEST(TriangleSums, ReadBothTriangles) {
  TriangleSums sums(3);
  for (const double size : {1.0, 1e-9, 3e5}) {  // three batches of different size: three grids
    const TriangleSums::Target target = sums.target(size);
    for (std::int64_t row = 0; row < 3; ++row) {
      for (std::int64_t column = row; column < 3; ++column) {
        target.sums[static_cast<std::size_t>(triangle_row(3, row) + column)] +=
            std::llrint(size * static_cast<double>(10 * row + column + 1) / 23 * target.scale);
      }
    }
  }
  EXPECT_GE(sums.bins().size(), 2u);
  std::vector<float> matrix(9);
  sums.read(0.5, matrix);
  const double size = (1.0 + 1e-9 + 3e5) / 2 / 23;
  EXPECT_NEAR(matrix[0], size, 1e-6 * size);
  EXPECT_NEAR(matrix[1], 2 * size, 1e-6 * size);
  EXPECT_EQ(matrix[1], matrix[3]);
  EXPECT_NEAR(matrix[5], 13 * size, 1e-5 * size);
  EXPECT_EQ(matrix[5], matrix[7]);
  EXPECT_NEAR(matrix[8], 23 * size, 1e-5 * size);
}

TEST(Histogram, BinsHoldTheirValues) {
  Random random(2);
  for (int i = 0; i < 20000; ++i) {
    const auto value = static_cast<float>(normal(random) * std::exp2(random.below(44) - 20));
    const std::int32_t bin = Histogram::bin(value);
    ASSERT_LE(Histogram::lower_edge(bin), value);
    ASSERT_GE(Histogram::upper_edge(bin), value);
    ASSERT_EQ(Histogram::bin(-value), 2 * Histogram::kHalf - bin);
  }
  EXPECT_EQ(Histogram::bin(0.0f), Histogram::kHalf);
  EXPECT_EQ(Histogram::bin(1e30f), Histogram::kBins - 1);
  EXPECT_EQ(Histogram::bin(-1e30f), 0);
  EXPECT_EQ(Histogram::upper_edge(Histogram::kBins - 1), 0x1p25);
  for (std::int32_t bin = 1; bin < Histogram::kBins; ++bin) {
    ASSERT_EQ(Histogram::lower_edge(bin), Histogram::upper_edge(bin - 1));
    ASSERT_LT(Histogram::lower_edge(bin), Histogram::upper_edge(bin));
  }
}

TEST(Histogram, SpreadsOverEqualBinsAndLosesNothing) {
  std::vector<std::int64_t> counts(Histogram::kBins);
  std::vector<double> expected(64);
  Random random(3);
  float low = 0, high = 0;
  for (int i = 0; i < 100000; ++i) {
    const float value = normal(random);
    low = std::min(low, value);
    high = std::max(high, value);
    ++counts[static_cast<std::size_t>(Histogram::bin(value))];
    ++expected[static_cast<std::size_t>(std::clamp((value + 6) / 12 * 64, 0.0f, 63.0f))];
  }
  const LinearHistogram linear = linear_histogram(counts, low, high, -6, 6, 64);
  double total = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    total += linear.counts[i];
    EXPECT_NEAR(linear.counts[i], expected[i], 0.05 * expected[i] + 30) << i;
  }
  EXPECT_NEAR(total, 100000, 1e-6);
}

// A graph of one linear [n, 5] x [5, 3].
Graph one_linear() {
  Graph graph;
  graph.opsets[""] = 21;
  const ValueId x = graph.add_value("x", DType::kF32);
  graph.value(x).has_dims = true;
  graph.value(x).dims = {Dim::named("n"), Dim::fixed(5)};
  graph.inputs = {x};
  std::vector<float> values(15, 0.5f);
  Weight weight{"w", Role::kOther, make_memory_source("w", {3, 5}, values), float_codec(), {}};
  const ValueId w = graph.add_value("w", DType::kF32);
  weight.parts.push_back({{w}, {{3, 5}}, DType::kF32});
  graph.weights.push_back(std::move(weight));
  const ValueId y = graph.add_value("y", DType::kF32);
  Node node;
  node.type = "Gemm";
  node.name = "linear";
  node.inputs = {x, w};
  node.outputs = {y};
  node.attributes = {{"transB", std::int64_t{1}}};
  graph.nodes.push_back(node);
  graph.outputs = {y};
  return graph;
}

struct Collection {
  Graph graph = one_linear();
  Sites sites = find_sites(graph);
  std::vector<std::vector<std::int32_t>> importance = {{1, 2, 3, 4, 5}};
  Collector collector;
  explicit Collection(int threads) : collector(sites, {true, true, true}, importance, threads) {}

  void add(const std::vector<float>& rows, std::int64_t batch, std::vector<std::uint8_t> mask) {
    const auto count = std::ssize(rows) / 5;
    const Session session(graph, {.threads = 1});
    const auto length = std::ssize(mask) / batch;
    collector.begin_batch(batch, length, std::move(mask));
    session.run({{"x", Tensor::of<float>({count, 5}, rows)}}, &collector);
  }
  const SiteStatistics& seen() { return collector.statistics().front(); }
};

std::vector<float> some_rows(std::uint64_t seed, std::int64_t count) {
  Random random(seed);
  std::vector<float> rows;
  for (std::int64_t i = 0; i < count * 5; ++i) rows.push_back(normal(random) * static_cast<float>(i % 5 + 1));
  return rows;
}

TEST(Collector, CountsWhatTheMaskLeaves) {
  const std::vector<float> rows = some_rows(4, 200);
  std::vector<std::uint8_t> mask(200);
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i % 7 != 3;
  Collection made(2);
  made.add(rows, 10, mask);
  const SiteStatistics& seen = made.seen();
  std::int64_t count = 0, in_zero_to_one = 0;
  double sum[5] = {}, product[25] = {};
  float low = 0, high = 0, absmax[5] = {};
  for (std::size_t row = 0; row < mask.size(); ++row) {
    if (mask[row] == 0) continue;
    ++count;
    for (std::size_t i = 0; i < 5; ++i) {
      const float x = rows[row * 5 + i];
      low = std::min(low, x);
      high = std::max(high, x);
      absmax[i] = std::max(absmax[i], std::abs(x));
      sum[i] += x;
      in_zero_to_one += x >= 0.5f && x < 1.0f ? 1 : 0;
      for (std::size_t j = 0; j < 5; ++j) product[i * 5 + j] += static_cast<double>(x) * rows[row * 5 + j];
    }
  }
  EXPECT_EQ(seen.rows, count);
  EXPECT_EQ(seen.low, low);
  EXPECT_EQ(seen.high, high);
  std::int64_t binned = 0;
  for (std::int32_t bin = Histogram::bin(0.5f); bin < Histogram::bin(1.0f); ++bin) {
    binned += seen.histogram[static_cast<std::size_t>(bin)];
  }
  EXPECT_EQ(binned, in_zero_to_one);
  std::vector<float> hessian(25);
  seen.products.read(1, hessian);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(seen.absmax[i], absmax[i]);
    EXPECT_NEAR(seen.sums.at(static_cast<std::int64_t>(i)), sum[i], 1e-9);
    EXPECT_NEAR(seen.squares.at(static_cast<std::int64_t>(i)), product[i * 5 + i], 1e-8);
    for (std::size_t j = 0; j < 5; ++j)
      EXPECT_NEAR(hessian[i * 5 + j], product[i * 5 + j], 1e-2) << i << " " << j;
  }
}

TEST(Collector, WeighsValuesByTheirChannel) {
  Collection made(1);
  made.add({1, 1, 1, 1, 1, 3, 0, 0, 0, 0}, 1, {1, 1});
  const SiteStatistics& seen = made.seen();
  EXPECT_EQ(seen.histogram[static_cast<std::size_t>(Histogram::bin(1.0f))], 5);
  EXPECT_EQ(seen.weighted[static_cast<std::size_t>(Histogram::bin(1.0f))], 15);
  EXPECT_EQ(seen.weighted[static_cast<std::size_t>(Histogram::bin(3.0f))], 1);
  EXPECT_EQ(seen.weighted[static_cast<std::size_t>(Histogram::bin(0.0f))], 14);
}

TEST(Collector, GivesTheSameBitsForAnyNumberOfThreadsAndAnyOrderOfBatches) {
  Collection one(1), four(4), left(2), right(2);
  for (std::uint64_t batch = 0; batch < 6; ++batch) {
    const std::vector<std::uint8_t> all(300, 1);
    one.add(some_rows(batch, 300), 1, all);
    four.add(some_rows(5 - batch, 300), 1, all);
    (batch % 2 == 0 ? left : right).add(some_rows(batch, 300), 1, all);
  }
  SiteStatistics merged = right.seen();
  merged.add(left.seen());
  for (const SiteStatistics* other : {&four.seen(), static_cast<const SiteStatistics*>(&merged)}) {
    EXPECT_EQ(one.seen().rows, other->rows);
    EXPECT_EQ(one.seen().histogram, other->histogram);
    EXPECT_EQ(one.seen().weighted, other->weighted);
    EXPECT_EQ(one.seen().absmax, other->absmax);
    EXPECT_TRUE(std::ranges::equal(one.seen().sums.words(), other->sums.words()));
    EXPECT_TRUE(std::ranges::equal(one.seen().squares.words(), other->squares.words()));
    EXPECT_EQ(one.seen().products.bins(), other->products.bins());
  }
}

TEST(Collector, AddsNothingOfActivationsThatAreNotFinite) {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY, 2e7f}) {
    Collection made(2);
    std::vector<float> rows = some_rows(1, 100);
    rows[77] = bad;
    made.add(rows, 1, std::vector<std::uint8_t>(100, 1));
    EXPECT_TRUE(made.collector.nonfinite()) << bad;
    EXPECT_EQ(made.seen().rows, 0) << bad;
    made.add(some_rows(1, 100), 1, std::vector<std::uint8_t>(100, 1));
    EXPECT_FALSE(made.collector.nonfinite());
    EXPECT_EQ(made.seen().rows, 100);
  }
}

}  // namespace
}  // namespace bantam
