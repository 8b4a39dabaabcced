#include "calibrate/metrics/sample_scores.h"

#include <span>
#include <utility>

#include "base/error.h"
#include "calibrate/metrics/correlation.h"

namespace bantam {
namespace {

using Samples = std::span<const std::int64_t>;

template <typename T>
std::vector<T> pick(const std::vector<T>& values, Samples samples) {
  std::vector<T> picked;
  picked.reserve(samples.size());
  for (const std::int64_t sample : samples) picked.push_back(values[static_cast<std::size_t>(sample)]);
  return picked;
}

template <typename Figure>
SampleScore of_confusion(std::vector<std::int64_t> expected, std::vector<std::int64_t> predicted,
                         std::int64_t classes, Figure figure) {
  BANTAM_ASSERT(expected.size() == predicted.size());
  return
      [expected = std::move(expected), predicted = std::move(predicted), classes, figure](Samples samples) {
        ConfusionMatrix matrix(classes);
        for (const std::int64_t sample : samples) {
          const auto i = static_cast<std::size_t>(sample);
          matrix.add(expected[i], predicted[i]);
        }
        return figure(matrix);
      };
}

}  // namespace

SampleScore mean_score(std::vector<double> values) {
  return [values = std::move(values)](Samples samples) {
    double sum = 0;
    for (const std::int64_t sample : samples) sum += values[static_cast<std::size_t>(sample)];
    return samples.empty() ? 0 : sum / static_cast<double>(samples.size());
  };
}

SampleScore accuracy_score(std::vector<std::int64_t> expected, const std::vector<std::int64_t>& predicted) {
  BANTAM_ASSERT(expected.size() == predicted.size());
  std::vector<double> right(expected.size());
  for (std::size_t i = 0; i < right.size(); ++i) right[i] = expected[i] == predicted[i] ? 1 : 0;
  return mean_score(std::move(right));
}

SampleScore f1_score(std::vector<std::int64_t> expected, std::vector<std::int64_t> predicted,
                     std::int64_t classes, Average average) {
  return of_confusion(std::move(expected), std::move(predicted), classes,
                      [average](const ConfusionMatrix& matrix) { return matrix.f1(average); });
}

SampleScore matthews_score(std::vector<std::int64_t> expected, std::vector<std::int64_t> predicted,
                           std::int64_t classes) {
  return of_confusion(std::move(expected), std::move(predicted), classes,
                      [](const ConfusionMatrix& matrix) { return matrix.matthews(); });
}

SampleScore spearman_score(std::vector<double> expected, std::vector<double> predicted) {
  BANTAM_ASSERT(expected.size() == predicted.size());
  return [expected = std::move(expected), predicted = std::move(predicted)](Samples samples) {
    return spearman(pick(expected, samples), pick(predicted, samples));
  };
}

SampleScore pearson_score(std::vector<double> expected, std::vector<double> predicted) {
  BANTAM_ASSERT(expected.size() == predicted.size());
  return [expected = std::move(expected), predicted = std::move(predicted)](Samples samples) {
    return pearson(pick(expected, samples), pick(predicted, samples));
  };
}

SampleScore entity_f1_score(const std::vector<ChunkCountsByType>& sentences) {
  std::vector<ChunkCounts> totals(sentences.size());
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    for (const auto& [type, counts] : sentences[i]) totals[i] += counts;
  }
  return [totals = std::move(totals)](Samples samples) {
    ChunkCounts all;
    for (const std::int64_t sample : samples) all += totals[static_cast<std::size_t>(sample)];
    return all.f1();
  };
}

SampleScore bleu_score(std::vector<BleuCounts> pairs) {
  return [pairs = std::move(pairs)](Samples samples) {
    BleuCounts all;
    for (const std::int64_t sample : samples) all += pairs[static_cast<std::size_t>(sample)];
    return bleu(all);
  };
}

SampleScore perplexity_score(std::vector<WindowLoss> windows) {
  return [windows = std::move(windows)](Samples samples) { return perplexity(pick(windows, samples)).value; };
}

}  // namespace bantam
