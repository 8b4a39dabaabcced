#include "pipeline/evaluate/value_scores.h"

#include <algorithm>

#include "calibrate/metrics/ranking.h"
#include "calibrate/metrics/sample_scores.h"

namespace bantam {
namespace {

constexpr std::int64_t kCutoff = 10;

}  // namespace

bool is_ranking(std::string_view metric) {
  return metric == "ndcg@10" || metric == "mrr@10";
}

ValueScores::ValueScores(std::string metric, const Dataset& data)
    : metric_(std::move(metric)), examples_(data.examples.size()) {
  const bool pairs = std::ranges::all_of(data.examples, &Example::has_pair);
  if (!data.labelled || !pairs) return;
  expected_ = scores(data);
  if (!is_ranking(metric_)) return;
  std::vector<std::string> ids, texts;
  for (const Example& example : data.examples) {
    ids.push_back(example.id);
    texts.push_back(example.text);
  }
  queries_ = group_queries(ids, texts);
}

Scored ValueScores::score(const std::vector<double>& values) const {
  if (metric_ == "spearman") return {spearman_score(expected_, values), std::ssize(values)};
  if (metric_ == "pearson") return {pearson_score(expected_, values), std::ssize(values)};
  std::vector<double> per_query;
  for (const std::vector<std::int64_t>& query : queries_) {
    std::vector<double> given, relevance;
    for (const std::int64_t row : query) {
      given.push_back(values[static_cast<std::size_t>(row)]);
      relevance.push_back(expected_[static_cast<std::size_t>(row)]);
    }
    per_query.push_back(metric_ == "ndcg@10" ? ndcg_at(given, relevance, kCutoff)
                                             : reciprocal_rank(given, relevance, kCutoff));
  }
  const auto queries = std::ssize(per_query);
  return {mean_score(std::move(per_query)), queries};
}

}  // namespace bantam
