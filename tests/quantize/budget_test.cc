#include "quantize/budget.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace bantam {
namespace {

using Options = std::vector<std::vector<StorageOption>>;

TEST(StorageFrontier, TakesTheStepOfMostGainPerByteFirst) {
  const Options options = {{{40, 10.0}, {80, 2.0}}, {{4, 3.0}, {8, 1.0}}};  // .2 and .5 per byte
  const std::vector<FrontierPoint> frontier = storage_frontier(options);
  ASSERT_EQ(frontier.size(), 3u);
  EXPECT_EQ(frontier[0].chosen, (std::vector<std::size_t>{0, 0}));
  EXPECT_EQ(frontier[1].chosen, (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(frontier[2].chosen, (std::vector<std::size_t>{1, 1}));
  EXPECT_EQ(frontier[1].bytes, 48);
  EXPECT_DOUBLE_EQ(frontier[1].cost, 11.0);
}

TEST(StorageFrontier, LeavesOutWhatIsLargerAndNoBetterOrAboveTheHull) {
  const Options options = {{{16, 5.0}, {10, 4.0}, {20, 3.9}, {30, 1.0}}};
  const std::vector<FrontierPoint> frontier = storage_frontier(options);
  ASSERT_EQ(frontier.size(), 2u);
  EXPECT_EQ(frontier[0].chosen[0], 1u);
  EXPECT_EQ(frontier[1].chosen[0], 3u);
}

TEST(StorageFrontier, FindsTheSmallestWithinACostOrNothing) {
  const std::vector<FrontierPoint> frontier =
      storage_frontier(Options{{{40, 10.0}, {80, 2.0}}, {{4, 3.0}, {8, 1.0}}});
  EXPECT_EQ(within_cost(frontier, 11.5), &frontier[1]);
  EXPECT_EQ(within_cost(frontier, 2.9), nullptr);
}

// Every point must be what an exhaustive search finds for some price per byte.
TEST(StorageFrontier, IsTheLowerConvexHullOfAllChoices) {
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    Options options(4);
    for (auto& list : options) {
      for (int i = 0; i < 3; ++i) {
        list.push_back(
            {static_cast<std::int64_t>(1 + random() % 50), static_cast<double>(random() % 1000) / 10.0});
      }
    }
    const std::vector<FrontierPoint> frontier = storage_frontier(options);
    for (const double price : {0.01, 0.1, 0.5, 1.0, 3.0, 20.0}) {
      double best = std::numeric_limits<double>::infinity();
      for (std::size_t code = 0; code < 81; ++code) {
        double sum = 0;
        std::size_t rest = code;
        for (const auto& list : options) {
          const StorageOption& option = list[rest % 3];
          sum += option.cost + price * static_cast<double>(option.bytes);
          rest /= 3;
        }
        best = std::min(best, sum);
      }
      double found = std::numeric_limits<double>::infinity();
      for (const FrontierPoint& point : frontier)
        found = std::min(found, point.cost + price * static_cast<double>(point.bytes));
      EXPECT_NEAR(found, best, 1e-9);
    }
  }
}

TEST(BestWithin, IsWhatTryingEverythingFinds) {
  std::mt19937 random(5);
  for (int round = 0; round < 30; ++round) {
    Options options(5);
    for (auto& list : options) {
      for (int i = 0; i < 2; ++i) {
        list.push_back(
            {static_cast<std::int64_t>(1 + random() % 300), static_cast<double>(random() % 1000) / 10.0});
      }
    }
    const auto limit = static_cast<std::int64_t>(random() % 1200);
    double best = std::numeric_limits<double>::infinity();
    for (unsigned code = 0; code < 32; ++code) {
      std::int64_t bytes = 0;
      double cost = 0;
      for (std::size_t w = 0; w < 5; ++w) {
        bytes += options[w][(code >> w) & 1].bytes;
        cost += options[w][(code >> w) & 1].cost;
      }
      if (bytes <= limit) best = std::min(best, cost);
    }
    const std::optional<FrontierPoint> found = best_within(options, limit);
    ASSERT_EQ(found.has_value(), best < std::numeric_limits<double>::infinity());
    if (!found) continue;
    EXPECT_NEAR(found->cost, best, 1e-9);
    EXPECT_LE(found->bytes, limit);
    for (std::size_t w = 0; w < 5; ++w) EXPECT_LT(found->chosen[w], 2u);
  }
}

TEST(BestWithin, FillsTheBudgetPastAStepThatIsTooLarge) {
  const Options options = {{{10, 100.0}, {1000, 0.0}}, {{10, 1.0}, {20, 0.5}}};
  EXPECT_EQ(best_within(options, 500)->chosen, (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(best_within(options, 1015)->chosen, (std::vector<std::size_t>{1, 0}));
  EXPECT_FALSE(best_within(options, 19).has_value());
}

}  // namespace
}  // namespace bantam
