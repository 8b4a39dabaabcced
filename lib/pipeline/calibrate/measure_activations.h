#pragma once

#include "base/progress.h"
#include "convert/checkpoint.h"
#include "pipeline/plan.h"
#include "pipeline/recipe.h"

namespace bantam {

// Adds to `measured` what the variants of a recipe need to know of activations: from recipe.stats, or by
// running the float model over recipe.calibrate. `model` is in the scaling that quantized variants have
// (quantize/canonical.h). Without `run`, calibration with texts is left out and ranges are made up: every
// file of the plan has its size all the same. Usage error where a variant needs statistics and the recipe has
// none.
void measure_activations(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                         bool run, Measurements& measured, Progress& progress);

// What the linears of `model` read, by running it over the texts of recipe.calibrate: second moments only.
StatisticsPtr measure_inputs(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                             Progress& progress);

// Adds the ranges of static variants that are smoothed (measured.foldings), by running the smoothed model
// over recipe.calibrate. The other arguments are those of measure_activations().
void measure_smoothed_ranges(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                             bool run, Measurements& measured, Progress& progress);

}  // namespace bantam
