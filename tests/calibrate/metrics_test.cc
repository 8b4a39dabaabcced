// Our scores against those of the field's own tools, recorded by tests/oracle/make_metric_cases.py.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/json.h"
#include "calibrate/metrics/agreement.h"
#include "calibrate/metrics/bootstrap.h"
#include "calibrate/metrics/classification.h"
#include "calibrate/metrics/correlation.h"
#include "calibrate/metrics/entities.h"
#include "calibrate/metrics/perplexity.h"
#include "calibrate/metrics/ranking.h"
#include "calibrate/metrics/sample_scores.h"
#include "calibrate/metrics/squad.h"

namespace bantam {
namespace {

Json cases_of(const char* name) {
  return read_json_file(std::filesystem::path(BANTAM_TESTDATA) / "metrics" / (std::string(name) + ".json"));
}

template <typename T>
std::vector<T> list(const Json& value) {
  return value.get<std::vector<T>>();
}

TEST(Classification, EqualsScikitLearn) {
  const Json cases = cases_of("classification");
  EXPECT_EQ(cases.size(), 8u);
  for (const Json& one : cases) {
    const auto expected = list<std::int64_t>(one["expected"]),
               predicted = list<std::int64_t>(one["predicted"]);
    ConfusionMatrix matrix(one["classes"]);
    for (std::size_t i = 0; i < expected.size(); ++i) matrix.add(expected[i], predicted[i]);
    EXPECT_NEAR(matrix.accuracy(), one["accuracy"], 1e-12);
    EXPECT_NEAR(matrix.f1(Average::kMacro), one["macro"], 1e-12);
    EXPECT_NEAR(matrix.f1(Average::kMicro), one["micro"], 1e-12);
    EXPECT_NEAR(matrix.f1(Average::kWeighted), one["weighted"], 1e-12);
    EXPECT_NEAR(matrix.matthews(), one["matthews"], 1e-12);
    if (one.contains("binary")) {
      EXPECT_NEAR(matrix.f1(Average::kBinary), one["binary"], 1e-12);
    }
  }
}

TEST(Correlation, EqualsScipy) {
  for (const Json& one : cases_of("correlation")) {
    const auto a = list<double>(one["a"]), b = list<double>(one["b"]);
    EXPECT_NEAR(pearson(a, b), one["pearson"], 1e-12);
    EXPECT_NEAR(spearman(a, b), one["spearman"], 1e-12);
    EXPECT_EQ(average_ranks(a), list<double>(one["ranks"]));
  }
  const std::vector<double> constant = {2, 2, 2}, rising = {1, 2, 3}, broken = {1, NAN, 3};
  EXPECT_TRUE(std::isnan(spearman(constant, rising)));
  EXPECT_TRUE(std::isnan(spearman(rising, broken)));
  EXPECT_DOUBLE_EQ(spearman(rising, rising), 1);
}

TEST(Entities, EqualSeqeval) {
  const Json cases = cases_of("entities");
  EXPECT_EQ(cases.size(), 30u);
  for (const Json& one : cases) {
    ChunkCountsByType counts;
    for (std::size_t i = 0; i < one["expected"].size(); ++i) {
      const auto expected = list<std::string>(one["expected"][i]),
                 predicted = list<std::string>(one["predicted"][i]);
      const std::vector<Chunk> chunks = chunks_of(predicted);
      const Json& wanted = one["chunks"][i];
      ASSERT_EQ(chunks.size(), wanted.size()) << one["predicted"][i];
      for (std::size_t c = 0; c < chunks.size(); ++c) {
        EXPECT_EQ(chunks[c], (Chunk{wanted[c][0], wanted[c][1], wanted[c][2]})) << one["predicted"][i];
      }
      for (const auto& [type, count] : count_chunks(expected, predicted)) counts[type] += count;
    }
    EXPECT_NEAR(micro_f1(counts), one["micro"], 1e-12);
    EXPECT_NEAR(macro_f1(counts), one["macro"], 1e-12);
  }
}

TEST(Entities, ReadBilouAsIobes) {
  const std::vector<std::string> bilou = {"U-PER", "B-ORG", "I-ORG", "L-ORG", "O"};
  const std::vector<std::string> iobes = {"S-PER", "B-ORG", "I-ORG", "E-ORG", "O"};
  EXPECT_EQ(chunks_of(bilou), chunks_of(iobes));
  EXPECT_EQ(chunks_of(bilou).size(), 2u);
  EXPECT_TRUE(chunks_of({}).empty());
}

#if BANTAM_HAS_TOKENIZERS  // Unicode's lower case comes with the bridge
TEST(Squad, EqualsTheOfficialScript) {
  const Json cases = cases_of("squad");
  EXPECT_EQ(cases.size(), 90u);
  for (const Json& one : cases) {
    SCOPED_TRACE(one.dump());
    const auto prediction = one["prediction"].get<std::string>();
    EXPECT_EQ(normalize_answer(prediction), one["normalized"].get<std::string>());
    const AnswerScore score = answer_score(prediction, list<std::string>(one["answers"]));
    EXPECT_EQ(score.exact, one["exact"].get<double>());
    EXPECT_NEAR(score.f1, one["f1"], 1e-12);
  }
}
#endif

TEST(Ranking, EqualsTrecEval) {
  for (const Json& one : cases_of("ranking")) {
    const auto scores = list<double>(one["scores"]), relevance = list<double>(one["relevance"]);
    for (const auto& [k, value] : one["ndcg"].items())
      EXPECT_NEAR(ndcg_at(scores, relevance, std::stoi(k)), value, 1e-12);
    EXPECT_NEAR(reciprocal_rank(scores, relevance, 1 << 20), one["mrr"], 1e-12);
  }
  const std::vector<double> scores = {0.1, 0.9, 0.5}, relevance = {1, 0, 0};
  EXPECT_EQ(reciprocal_rank(scores, relevance, 2), 0);
  EXPECT_NEAR(reciprocal_rank(scores, relevance, 3), 1.0 / 3, 1e-12);
}

TEST(Ranking, GroupsRowsByQuery) {
  const std::vector<std::string> ids = {"b", "a", "b"}, none = {"", "", ""}, texts = {"q", "q", "r"};
  EXPECT_EQ(group_queries(ids, texts), (std::vector<std::vector<std::int64_t>>{{0, 2}, {1}}));
  EXPECT_EQ(group_queries(none, texts), (std::vector<std::vector<std::int64_t>>{{0, 1}, {2}}));
}

TEST(Agreement, EqualsScipyAndNumpy) {
  const Json cases = cases_of("agreement");
  for (const Json& one : cases["rows"]) {
    const auto p = list<float>(one["reference"]), q = list<float>(one["values"]);
    EXPECT_NEAR(kl_divergence(p, q), one["kl"], 1e-9 + 1e-6 * one["kl"].get<double>());
    EXPECT_NEAR(cosine(p, q), one["cosine"], 1e-9);
    EXPECT_NEAR(sqnr_db(p, q), one["sqnr_db"], 1e-6);
    EXPECT_NEAR(negative_log_likelihood(p, one["target"]), one["negative_log_likelihood"], 1e-9);
  }
  for (const Json& pair : cases["quantiles"])
    EXPECT_NEAR(quantile(list<double>(cases["values"]), pair[0]), pair[1], 1e-12);
}

TEST(Bootstrap, IsCloseToScipys) {
  const Json one = cases_of("intervals");
  const auto score = list<double>(one["score"]), reference = list<double>(one["reference"]);
  const auto mean_of = [](const std::vector<double>& values) {
    return [&values](std::span<const std::int64_t> samples) {
      double sum = 0;
      for (const std::int64_t sample : samples) sum += values[static_cast<std::size_t>(sample)];
      return sum / static_cast<double>(samples.size());
    };
  };
  const BootstrapOptions options{.resamples = 20000, .seed = 1};
  const Interval interval = bootstrap(std::ssize(score), mean_of(score), options);
  EXPECT_NEAR(interval.low, one["interval"][0], 0.003);
  EXPECT_NEAR(interval.high, one["interval"][1], 0.003);
  const Interval retention = paired_retention(std::ssize(score), mean_of(score), mean_of(reference), options);
  EXPECT_NEAR(retention.low, one["retention"][0], 0.001);
  EXPECT_NEAR(retention.high, one["retention"][1], 0.001);
}

// On a sample of samples, each equals its plain function on the data written out.
TEST(SampleScores, FollowTheSamples) {
  const std::vector<std::int64_t> expected = {0, 1, 1, 2, 0}, predicted = {0, 1, 2, 2, 1},
                                  drawn = {4, 1, 1, 3, 0};
  const auto at = [&](const auto& values) {
    auto result = values;
    for (std::size_t i = 0; i < drawn.size(); ++i) result[i] = values[static_cast<std::size_t>(drawn[i])];
    return result;
  };
  ConfusionMatrix matrix(3);
  for (std::size_t i = 0; i < drawn.size(); ++i) matrix.add(at(expected)[i], at(predicted)[i]);
  EXPECT_DOUBLE_EQ(accuracy_score(expected, predicted)(drawn), matrix.accuracy());
  EXPECT_DOUBLE_EQ(f1_score(expected, predicted, 3, Average::kMacro)(drawn), matrix.f1(Average::kMacro));
  EXPECT_DOUBLE_EQ(matthews_score(expected, predicted, 3)(drawn), matrix.matthews());
  const std::vector<double> a = {3, 1, 4, 1, 5}, b = {2, 7, 1, 8, 2};
  EXPECT_DOUBLE_EQ(spearman_score(a, b)(drawn), spearman(at(a), at(b)));
  EXPECT_DOUBLE_EQ(pearson_score(a, b)(drawn), pearson(at(a), at(b)));
  EXPECT_DOUBLE_EQ(mean_score(a)(drawn), (5 + 1 + 1 + 1 + 3) / 5.0);
  const std::vector<ChunkCountsByType> sentences = {{{"x", {2, 1, 1}}}, {{"x", {1, 1, 0}}, {"y", {1, 1, 1}}}};
  EXPECT_DOUBLE_EQ(entity_f1_score(sentences)(std::vector<std::int64_t>{0, 1}), 2.0 * 2 / (4 + 3));
  const std::vector<WindowLoss> windows = {{2, 1}, {5, 4}};
  EXPECT_DOUBLE_EQ(perplexity_score(windows)(std::vector<std::int64_t>{1, 1}), std::exp(5.0 / 4));
}

TEST(Perplexity, IsTheExponentialOfTheMeanLoss) {
  const std::vector<WindowLoss> windows = {{std::log(4.0) * 3, 3}, {std::log(2.0), 1}, {0, 0}};
  const Perplexity result = perplexity(windows);
  EXPECT_NEAR(result.value, std::exp((3 * std::log(4.0) + std::log(2.0)) / 4), 1e-12);
  EXPECT_EQ(result.tokens, 4);
  EXPECT_GT(result.standard_error, 0);
  EXPECT_EQ(perplexity({}).tokens, 0);
  const std::vector<WindowLoss> same = {{2, 1}, {4, 2}};
  EXPECT_NEAR(perplexity(same).standard_error, 0, 1e-12);
  const std::vector<float> masked = {1, -INFINITY, 1}, broken = {1, NAN, 0}, infinite = {INFINITY, 0, 0};
  EXPECT_NEAR(negative_log_likelihood(masked, 0), std::log(2.0), 1e-12);
  EXPECT_TRUE(std::isinf(negative_log_likelihood(masked, 1)));
  EXPECT_TRUE(std::isinf(negative_log_likelihood(broken, 0)));
  EXPECT_TRUE(std::isinf(negative_log_likelihood(infinite, 0)));
}

TEST(Perplexity, WindowsScoreEveryTokenOnce) {
  using Windows = std::vector<TextWindow>;
  EXPECT_EQ(text_windows(10, 4, 2), (Windows{{0, 4, 1}, {2, 6, 4}, {4, 8, 6}, {6, 10, 8}}));
  EXPECT_EQ(text_windows(9, 4, 4), (Windows{{0, 4, 1}, {4, 8, 5}}));
  EXPECT_EQ(text_windows(3, 8, 8), (Windows{{0, 3, 1}}));
  EXPECT_TRUE(text_windows(1, 8, 8).empty());
  EXPECT_TRUE(text_windows(0, 8, 3).empty());
  for (const std::int64_t tokens : {2, 17, 100, 101}) {
    for (const std::int64_t stride : {1, 3, 6}) {
      std::vector<int> scored(static_cast<std::size_t>(tokens));
      for (const TextWindow& window : text_windows(tokens, 7, stride)) {
        EXPECT_LE(window.end - window.begin, 7);
        EXPECT_GT(window.score_from, window.begin);
        for (std::int64_t t = window.score_from; t < window.end; ++t) ++scored[static_cast<std::size_t>(t)];
      }
      EXPECT_EQ(scored[0], 0);
      for (std::size_t t = 1; t < scored.size(); ++t)
        EXPECT_EQ(scored[t], 1) << tokens << " " << stride << " " << t;
    }
  }
}

}  // namespace
}  // namespace bantam
