#pragma once

#include "base/progress.h"
#include "pipeline/plan.h"

namespace bantam {

// What has to be known of weight bytes before they are encoded, in passes over row tiles: the scaling of
// channels (canonical_sources), unless the recipe leaves it alone, and the range of those weights that a
// variant stores as halves. NaN and infinity are left to the encoder, which names row and column.
Measurements measure(const Recipe& recipe, const ModelGraph& model, Progress& progress);
// The second of these for weights that have changed since (measured.foldings).
void measure_halves(const Recipe& recipe, const ModelGraph& model, Measurements& measured,
                    Progress& progress);

}  // namespace bantam
