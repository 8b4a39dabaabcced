#pragma once

#include <optional>
#include <string>
#include <vector>

#include "frame/options.h"
#include "pipeline/calibrate/texts.h"
#include "pipeline/evaluate/evaluation_task.h"

namespace bantam {

// The options of every command that reads texts.
struct TextOptions {
  std::string format;
  std::vector<std::string> columns;
  std::string header = "auto";
  std::string quotes = "auto";
  std::string encoding = "utf-8";
  std::string unit = "line";
  std::int64_t limit = 0;
  std::int64_t seed = 0;
  std::int64_t max_length = 0;
};

// The options of every command that judges by labelled or plain text.
struct DataOptions : TextOptions {
  std::vector<std::string> labels;
  std::string metric;
  std::int64_t stride = 0;
  std::int64_t max_new_tokens = 0;
  bool chat = false;
};

void declare_texts(Options& options, TextOptions& texts);
CalibrationDataOptions calibration_data(const TextOptions& texts, const std::filesystem::path& file);

void declare_data(Options& options, DataOptions& data);
// `file` is the data set. Usage errors for mappings that are no NAME=NAME.
EvaluationTaskOptions evaluation_data(const DataOptions& data, const std::filesystem::path& file);

}  // namespace bantam
