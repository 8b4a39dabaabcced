#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bantam {

enum class Average { kBinary, kMacro, kMicro, kWeighted };

// Counts of (expected, predicted) classes, from which all scores follow. Definitions are those of
// scikit-learn, with 0 where a score is undefined (zero_division=0).
class ConfusionMatrix {
 public:
  // Classes are 0 .. classes - 1; a prediction or label beyond is an assertion.
  explicit ConfusionMatrix(std::int64_t classes);

  void add(std::int64_t expected, std::int64_t predicted);

  double accuracy() const;
  // kBinary: of class 1. kMacro and kWeighted leave out classes that are neither expected nor predicted.
  double f1(Average average) const;
  // Matthews correlation for any number of classes (Gorodkin 2004); GLUE's score for CoLA.
  double matthews() const;

 private:
  std::int64_t count(std::int64_t expected, std::int64_t predicted) const;

  std::int64_t classes_;
  std::vector<std::int64_t> counts_;    // [expected][predicted]
  std::vector<std::int64_t> expected_;  // row sums
  std::vector<std::int64_t> predicted_;
  std::int64_t total_ = 0;
};

}  // namespace bantam
