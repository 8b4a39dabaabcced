// ROUGE, BLEU and the figures of predicted tokens against what rouge-score, NLTK, sacrebleu and numpy said of
// the same texts: tests/oracle/make_text_metric_cases.py.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "calibrate/metrics/bleu.h"
#include "calibrate/metrics/porter.h"
#include "calibrate/metrics/rouge.h"
#include "calibrate/metrics/sample_scores.h"
#include "calibrate/metrics/token_agreement.h"

namespace bantam {
namespace {

Json recorded(const char* name) {
  return read_json_file(std::filesystem::path(BANTAM_TESTDATA) / "metrics" / (std::string(name) + ".json"));
}

TEST(Porter, StemsAsNltkDoes) {
  const Json cases = recorded("porter");
  EXPECT_GT(cases.size(), 700u);
  for (const Json& one : cases)
    EXPECT_EQ(porter_stem(one[0].get<std::string>()), one[1].get<std::string>()) << one[0];
}

#if BANTAM_HAS_TOKENIZERS  // lower case beyond ASCII

TEST(Rouge, EqualsRougeScore) {
  const Json cases = recorded("rouge");
  EXPECT_GT(cases.size(), 90u);
  for (const Json& one : cases) {
    const std::string reference = one["reference"], text = one["text"];
    SCOPED_TRACE(one.dump());
    for (const Stemming stemming : {Stemming::kNone, Stemming::kPorter}) {
      const auto wanted = rouge_words(reference, stemming), given = rouge_words(text, stemming);
      const Json& expected = one[stemming == Stemming::kNone ? "plain" : "stemmed"];
      EXPECT_NEAR(rouge_n(wanted, given, 1), expected[0], 1e-12);
      EXPECT_NEAR(rouge_n(wanted, given, 2), expected[1], 1e-12);
      EXPECT_NEAR(rouge_l(wanted, given), expected[2], 1e-12);
    }
  }
}

#endif

TEST(Bleu, EqualsSacrebleu) {
  const Json cases = recorded("bleu");
  for (const Json& one : cases["tokens"]) {
    EXPECT_EQ(bleu_tokens(one[0].get<std::string>()), one[1].get<std::vector<std::string>>()) << one[0];
  }
  EXPECT_GT(cases["corpora"].size(), 40u);
  for (const Json& corpus : cases["corpora"]) {
    std::vector<BleuCounts> pairs;
    std::vector<std::int64_t> all;
    for (const Json& pair : corpus["pairs"]) {
      all.push_back(std::ssize(pairs));
      pairs.push_back(bleu_counts(pair[0].get<std::string>(), pair[1].get<std::string>()));
    }
    EXPECT_NEAR(bleu_score(pairs)(all), corpus["bleu"], 1e-9) << corpus.dump();
  }
  EXPECT_THROW(bleu_tokens("\xff"), Error);
}

TEST(TokenAgreement, EqualsNumpyOverWindows) {
  for (const Json& one : recorded("tokens")) {
    TokenAgreementCollector collector;
    EXPECT_TRUE(collector.empty());
    std::int64_t tokens = 0;
    for (const Json& window : one["windows"]) {
      for (std::size_t i = 0; i < window[2].size(); ++i, ++tokens) {
        collector.add(window[0][i].get<std::vector<float>>(), window[1][i].get<std::vector<float>>(),
                      window[2][i]);
      }
      collector.end_window();
    }
    const TokenAgreement found = collector.result();
    EXPECT_EQ(found.tokens, tokens);
    EXPECT_EQ(found.windows, std::ssize(one["windows"]));
    const auto near = [&](const char* key, const Measured& figure) {
      EXPECT_NEAR(figure.value, one[key][0], 1e-9 * std::max(1.0, std::abs(figure.value))) << key;
      EXPECT_NEAR(figure.error, one[key][1], 1e-9 * std::max(1.0, std::abs(figure.error))) << key;
    };
    near("perplexity", found.perplexity);
    near("reference_perplexity", found.reference_perplexity);
    near("ln_perplexity_ratio", found.ln_perplexity_ratio);
    near("perplexity_ratio", found.perplexity_ratio);
    near("kl_mean", found.kl_mean);
    near("delta_p_mean", found.delta_p_mean);
    near("delta_p_rms", found.delta_p_rms);
    near("same_top", found.same_top);
    EXPECT_NEAR(found.kl_median, one["kl"][0], 1e-9);
    EXPECT_NEAR(found.kl_p99, one["kl"][1], 1e-9);
    EXPECT_NEAR(found.kl_p999, one["kl"][2], 1e-9);
    EXPECT_NEAR(found.kl_max, one["kl"][3], 1e-9);
  }
}

}  // namespace
}  // namespace bantam
