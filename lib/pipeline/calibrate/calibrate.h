#pragma once

#include <cstdint>

#include "base/file.h"
#include "base/progress.h"
#include "calibrate/statistics/statistics_file.h"
#include "convert/architecture.h"
#include "convert/checkpoint.h"
#include "pipeline/calibrate/texts.h"

namespace bantam {

struct CalibrateOptions {
  Collected collect;
  // Bytes that the products of one wave of sites may take; the model runs once per wave.
  std::int64_t stats_memory = 500'000'000;
  // Part `part` of `parts`, from 1: as many whole blocks of kTextsPerBlock texts each as the others, or one
  // more.
  std::int64_t part = 1, parts = 1;
  int threads = 1;
};

// Runs the float model over the texts and writes what its linears read into `file`, which is empty. The same
// texts give the same bytes for any number of threads, any memory and, merged, any split into parts (on
// machines of one instruction-set level). Errors: a part without blocks, products of one site that do not fit
// `stats_memory`, and activations that are not finite or beyond kLargestActivation, with text and node.
void calibrate(const ModelGraph& model, const Config& config, const CalibrationTexts& texts,
               const CalibrateOptions& options, const File& file, Progress& progress);

}  // namespace bantam
