#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "pipeline/manifest.h"
#include "pipeline/plan.h"
#include "pipeline/recipe.h"

namespace bantam {

// Opens the source and plans the bundle. Weight bytes are read only when `measure_weights` is set and a variant needs
// to know their range (float16 from wider types).
Plan plan_bundle(const Recipe& recipe, bool measure_weights, Progress& progress);

struct BundleResult {
  std::vector<FileEntry> files;  // sorted by name
};

// Writes the bundle into a temporary directory beside recipe.output and renames it at the end; on any failure,
// Ctrl-C included, nothing is left behind.
BundleResult write_bundle(const Plan& plan, Progress& progress);

}  // namespace bantam
