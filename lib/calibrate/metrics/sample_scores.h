#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calibrate/metrics/bleu.h"
#include "calibrate/metrics/bootstrap.h"
#include "calibrate/metrics/classification.h"
#include "calibrate/metrics/entities.h"
#include "calibrate/metrics/perplexity.h"

namespace bantam {

// Scores over multisets of samples, as the bootstrap wants them: each keeps what is needed per sample. All
// vectors of one call are equally long.

SampleScore mean_score(
    std::vector<double> values);  // exact match, F1 of answers, nDCG, reciprocal ranks: a mean of samples
SampleScore accuracy_score(std::vector<std::int64_t> expected, const std::vector<std::int64_t>& predicted);
SampleScore f1_score(std::vector<std::int64_t> expected, std::vector<std::int64_t> predicted,
                     std::int64_t classes, Average average);
SampleScore matthews_score(std::vector<std::int64_t> expected, std::vector<std::int64_t> predicted,
                           std::int64_t classes);
SampleScore spearman_score(std::vector<double> expected, std::vector<double> predicted);
SampleScore pearson_score(std::vector<double> expected, std::vector<double> predicted);
// Micro F1 over entities; a sample is a sentence.
SampleScore entity_f1_score(const std::vector<ChunkCountsByType>& sentences);
// Of a corpus; a sample is a pair of texts.
SampleScore bleu_score(std::vector<BleuCounts> pairs);
// A sample is a window of text.
SampleScore perplexity_score(std::vector<WindowLoss> windows);

}  // namespace bantam
