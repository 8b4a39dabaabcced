#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "pipeline/bundle_model.h"
#include "pipeline/evaluate/evaluation_task.h"
#include "pipeline/report/report.h"

namespace bantam {

struct EvaluateOptions {
  // The checkpoint that the bundle was made of: folder or hub id. Empty: the bundle's own fp32 variant stands
  // in.
  std::string reference;
  std::string reference_adapter;  // the adapter that was merged into it; empty: none
  // Outputs made elsewhere, in place of running the reference (see ReferenceOutputs).
  std::optional<std::filesystem::path> reference_outputs;
  std::optional<Task> task;         // overrides what the bundle says
  std::vector<std::string> dtypes;  // empty: all that the bundle holds
  EvaluationTaskOptions data;
  std::int64_t layer_samples = 8;  // examples over which the error of each layer is measured; 0: none
  int threads = 0;                 // 0: all
  int resamples = 1000;            // of the bootstrap
};

// Runs the float reference and every variant of the shipped bundle natively over a data set, one sequence at
// a time (what a browser does, and dynamic INT8 depends on what shares its batch), and reports score,
// retention, agreement, error per layer and speed. Tokens come from the bundle's own tokenizer.
Report evaluate(const BundleModel& bundle, const EvaluateOptions& options, Progress& progress);

}  // namespace bantam
