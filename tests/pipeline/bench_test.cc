#include "pipeline/bench/bench.h"

#include <string>

#include "pipeline/schemas.h"
#include "tests/pipeline/bundles.h"

namespace bantam {
namespace {

using test::Bundle;
using test::error_of;
using test::fixture;
using test::has_parts;
using test::recipe_of;

TEST(RoundRobin, GivesEveryLaneItsTurnAndBeginsEachRoundWithAnother) {
  std::string order;
  const std::vector<std::function<void()>> lanes = {[&] { order += 'a'; }, [&] { order += 'b'; },
                                                    [&] { order += 'c'; }};
  RoundLimits limits;
  limits.rounds = 4;
  limits.warm_up = 1;
  const auto times = time_round_robin(lanes, limits, [&] { order += '|'; });
  EXPECT_EQ(order, "abc|abcbcacababc");
  ASSERT_EQ(times.size(), 3u);
  for (const auto& lane : times) EXPECT_EQ(lane.size(), 4u);
}

TEST(RoundRobin, RunsAsLongAsItIsToldAndAFewTimesAtLeast) {
  int calls = 0;
  const std::vector<std::function<void()>> lanes = {[&] { ++calls; }};
  RoundLimits limits;
  limits.seconds = 1e-9;
  EXPECT_EQ(std::ssize(time_round_robin(lanes, limits)[0]), kLeastRounds);
  limits.seconds = 0.01;
  const auto times = time_round_robin(lanes, limits)[0];
  double sum = 0;
  for (const double time : times) sum += time;
  EXPECT_GE(sum, 10);
  EXPECT_GT(std::ssize(times), kLeastRounds);
}

// numpy.percentile of the same numbers.
TEST(TimeSummary, InterpolatesAsNumpyDoes) {
  const TimeSummary summary = summarize({9, 1, 4, 16, 25, 36, 49});
  EXPECT_DOUBLE_EQ(summary.median, 16);
  EXPECT_DOUBLE_EQ(summary.mean, 20);
  EXPECT_DOUBLE_EQ(summary.min, 1);
  EXPECT_DOUBLE_EQ(summary.p10, 2.8);
  EXPECT_DOUBLE_EQ(summary.p90, 41.2);
  EXPECT_DOUBLE_EQ(summarize({3, 2}).median, 2.5);
  EXPECT_DOUBLE_EQ(summarize({7}).p90, 7);
}

TEST(OpTimes, AddUpByTypeWithoutWhatCameBefore) {
  const std::vector<NodeTime> before = {
      {"x", "Gemm", 1, 1'000'000}, {"y", "Add", 1, 500'000}, {"z", "Gemm", 1, 0}};
  const std::vector<NodeTime> after = {
      {"x", "Gemm", 3, 3'000'000}, {"y", "Add", 3, 4'500'000}, {"z", "Gemm", 3, 4'000'000}};
  const auto times = op_times(after, before);
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].op, "Gemm");
  EXPECT_EQ(times[0].calls, 4);
  EXPECT_DOUBLE_EQ(times[0].ms, 6);
  EXPECT_DOUBLE_EQ(times[0].share, 0.6);
  EXPECT_DOUBLE_EQ(times[1].share, 0.4);
  EXPECT_TRUE(op_times({}).empty());
}

TEST(Workload, IsTheSameEveryTimeAndHoldsNoPadding) {
  const Bundle bundle(recipe_of(fixture("roberta-fill-mask"), {DtypeName::kFp32}));
  const BundleModel model = open_bundle(bundle.path());
  const Session session = model.open(model.variant("fp32"), {});
  const std::int64_t padding = model.config.integer("pad_token_id");
  const auto first = make_workloads(model, session, {3, 7});
  const auto second = make_workloads(model, session, {3, 7});
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].phase, "forward");
  EXPECT_EQ(first[0].tokens, 21);
  const Tensor& ids = first[0].inputs.at("input_ids");
  EXPECT_EQ(ids.shape(), (Shape{3, 7}));
  for (const std::int64_t id : ids.data<std::int64_t>()) {
    EXPECT_NE(id, padding);
    EXPECT_LT(id, model.config.integer("vocab_size"));
  }
  EXPECT_TRUE(std::ranges::equal(ids.bytes(), second[0].inputs.at("input_ids").bytes()));
  session.run(first[0].inputs);
}

TEST(Bench, MeasuresVariantsAndFollowsItsSchema) {
  const Bundle bundle(recipe_of(fixture("bert-text-classification-3"), {DtypeName::kQ8, DtypeName::kFp32}));
  const BundleModel model = open_bundle(bundle.path());
  BenchOptions options;
  options.shape = {2, 5};
  options.limits.rounds = 3;
  options.session.threads = 1;
  options.session.profile = true;
  const Bench measured = bench(model, options, silent_progress());
  check_schema("bench.schema.json", parse_json(bench_json(measured)));
  EXPECT_EQ(measured.baseline, "fp32");
  EXPECT_EQ(measured.threads, 1);
  ASSERT_EQ(measured.results.size(), 2u);
  for (const BenchResult& result : measured.results) {
    EXPECT_EQ(result.runs, 3);
    EXPECT_GT(result.ms.min, 0);
    EXPECT_LE(result.ms.min, result.ms.p10);
    EXPECT_LE(result.ms.p10, result.ms.median);
    EXPECT_LE(result.ms.median, result.ms.p90);
    EXPECT_NEAR(result.tokens_per_s, 10 / (result.ms.median * 1e-3), 1e-6 * result.tokens_per_s);
    EXPECT_GT(result.peak_memory_bytes, 0);
    double share = 0;
    for (const OpTime& time : result.ops) {
      EXPECT_EQ(time.calls % 3, 0) << time.op;  // the warm-up is not counted
      share += time.share;
    }
    EXPECT_NEAR(share, 1, 1e-9);
    const bool is_float = result.dtype == "fp32";
    EXPECT_TRUE(!is_float || result.speedup == 1);
  }
}

TEST(Bench, RefusesWhatTheBundleDoesNotHold) {
  const Bundle bundle(recipe_of(fixture("bert-text-classification-3"), {DtypeName::kQ8}));
  const BundleModel model = open_bundle(bundle.path());
  BenchOptions options;
  options.dtypes = {"q8", "q4"};
  EXPECT_TRUE(
      has_parts(error_of([&] { bench(model, options, silent_progress()); }), {"\"q4\"", "it has q8"}));
  options.dtypes = {};
  options.shape.length = 1 << 20;
  EXPECT_TRUE(has_parts(error_of([&] { bench(model, options, silent_progress()); }),
                        {"--length 1048576", "at most"}));
}

}  // namespace
}  // namespace bantam
