#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"

namespace bantam {
namespace {

TEST(ThreadPool, HandsOutEveryItemOnceInManyShortJobs) {
  for (const int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    for (int job = 0; job < 3000; ++job) {
      const std::int64_t count = job % 17;
      std::vector<std::atomic<int>> taken(static_cast<std::size_t>(count));
      pool.run(count, [&](std::int64_t item, int worker) {
        ASSERT_GE(worker, 0);
        ASSERT_LT(worker, threads);
        ++taken[static_cast<std::size_t>(item)];
      });
      for (const auto& times : taken) ASSERT_EQ(times.load(), 1);
    }
  }
}

TEST(ThreadPool, WakesHelpersThatFellAsleep) {
  ThreadPool pool(2);
  for (int job = 0; job < 3; ++job) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    // Both items wait for each other: this ends only when two threads work.
    std::atomic<int> arrived{0};
    pool.run(2, [&](std::int64_t, int) {
      ++arrived;
      while (arrived.load() < 2) std::this_thread::yield();
    });
  }
}

TEST(ThreadPool, EndsWhereverItsHelpersAre) {
  // A pool that goes while a helper begins, works or is about to fall asleep must not leave it asleep.
  for (int round = 0; round < 3000; ++round) {
    ThreadPool pool(2 + round % 3);
    if (round % 2 == 0) pool.run(16, [](std::int64_t, int) {});
  }
}

TEST(ThreadPool, RethrowsTheFirstErrorAndWorksAfterwards) {
  ThreadPool pool(3);
  for (int job = 0; job < 100; ++job) {
    EXPECT_THROW(pool.run(50,
                          [](std::int64_t item, int) {
                            if (item == 7) fail("item {}", item);
                          }),
                 Error);
    std::atomic<std::int64_t> sum{0};
    pool.run(50, [&](std::int64_t item, int) { sum += item; });
    EXPECT_EQ(sum.load(), 49 * 50 / 2);
  }
}

TEST(ThreadPool, RunsNestedAndConcurrentCallsInline) {
  ThreadPool pool(2);
  std::atomic<int> inner{0};
  pool.run(4, [&](std::int64_t, int) { pool.run(5, [&](std::int64_t, int) { ++inner; }); });
  EXPECT_EQ(inner.load(), 20);
  std::atomic<int> total{0};
  std::vector<std::jthread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int job = 0; job < 200; ++job) pool.run(8, [&](std::int64_t, int) { ++total; });
    });
  }
  callers.clear();
  EXPECT_EQ(total.load(), 4 * 200 * 8);
}

}  // namespace
}  // namespace bantam
