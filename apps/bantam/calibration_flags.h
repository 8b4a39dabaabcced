#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "data_options.h"
#include "frame/options.h"
#include "pipeline/recipe.h"

namespace bantam {

// What convert is told about calibration and about static INT8.
struct CalibrationFlags {
  std::optional<std::filesystem::path> texts;
  std::optional<std::filesystem::path> stats;
  bool static_int8 = false;
  std::optional<std::string> ranges;
  std::optional<std::string> format;
  std::optional<double> max_drop;
  std::optional<double> smooth;
  std::optional<ByteSize> stats_memory;
};

void declare_calibration(Options& options, CalibrationFlags& flags);
// On top of what a recipe file says. The texts are read as `data` says; what --max-drop judges by is
// `evaluate`, or else those texts.
void apply_calibration(const CalibrationFlags& flags, const DataOptions& data,
                       const std::optional<std::filesystem::path>& evaluate, Recipe& recipe);

}  // namespace bantam
