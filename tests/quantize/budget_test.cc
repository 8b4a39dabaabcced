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

TEST(StorageFrontier, FindsTheNearestWithinABudgetOrNothing) {
  const std::vector<FrontierPoint> frontier = storage_frontier(Options{{{40, 10.0}, {80, 2.0}}, {{4, 3.0}, {8, 1.0}}});
  EXPECT_EQ(within_bytes(frontier, 43), nullptr);
  EXPECT_EQ(within_bytes(frontier, 87), &frontier[1]);
  EXPECT_EQ(within_bytes(frontier, 1000), &frontier[2]);
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
        list.push_back({static_cast<std::int64_t>(1 + random() % 50), static_cast<double>(random() % 1000) / 10.0});
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
      for (const FrontierPoint& point : frontier) found = std::min(found, point.cost + price * static_cast<double>(point.bytes));
      EXPECT_NEAR(found, best, 1e-9);
    }
  }
}

}  // namespace
}  // namespace bantam
