#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/evaluate/evaluation_task.h"

namespace bantam {

// Metrics of models that give each example one number: a similarity, a relevance, a rating.
inline constexpr std::array<std::string_view, 4> kValueMetrics = {"spearman", "pearson", "ndcg@10", "mrr@10"};
bool is_ranking(std::string_view metric);

// The data's own numbers and, for rankings, which examples belong to one query.
class ValueScores {
 public:
  ValueScores(std::string metric, const Dataset& data);

  std::string metric() const { return expected_.empty() ? "" : metric_; }
  std::size_t examples() const { return examples_; }
  // `values[i]` is the model's number for example i.
  Scored score(const std::vector<double>& values) const;

 private:
  std::string metric_;
  std::size_t examples_ = 0;
  std::vector<double> expected_;  // empty: not labelled
  std::vector<std::vector<std::int64_t>> queries_;
};

class ValueAnswers final : public Answers {
 public:
  using Value = std::function<double(const Rows&)>;
  ValueAnswers(const ValueScores& scores, Value value)
      : scores_(scores), value_(std::move(value)), values_(scores.examples()) {}

  void add(std::size_t index, std::span<const Encoding>, std::span<const Tensors>,
           const Rows& rows) override {
    values_[index] = value_(rows);
  }
  Scored scored() const override { return scores_.score(values_); }

 private:
  const ValueScores& scores_;
  Value value_;
  std::vector<double> values_;
};

}  // namespace bantam
