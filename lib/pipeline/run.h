#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "pipeline/bundle_model.h"
#include "pipeline/manifest.h"
#include "pipeline/plan.h"
#include "pipeline/recipe.h"
#include "pipeline/report/report.h"

namespace bantam {

// Opens the source and plans the bundle. Weight bytes are read only when `measure_weights` is set and a
// variant needs to know their range (float16 from wider types).
Plan plan_bundle(const Recipe& recipe, bool measure_weights, Progress& progress);

struct BundleResult {
  std::vector<FileEntry> files;  // sorted by name
  std::string manifest;          // the text of bantam.json
  std::optional<Report> report;  // what the judge found
};

// Judges the variants before the bundle appears; the report becomes part of it.
using Judge = std::function<Report(const BundleModel&)>;

// Refuses an output that exists (unless recipe.force), that cannot be written, or that holds or lies in the
// source. Cheap: called before anything is read.
void check_output(const Recipe& recipe);

// Writes the bundle into a temporary directory beside recipe.output and renames it at the end; on any
// failure, Ctrl-C included, nothing is left behind.
BundleResult write_bundle(const Plan& plan, Progress& progress, const Judge& judge = nullptr);

}  // namespace bantam
