#pragma once

#include "base/progress.h"
#include "pipeline/plan.h"

namespace bantam {

// One pass over the weights of `model` that could exceed float16's range, in row tiles, when a variant stores
// halves. NaN and infinity are left to the encoder, which names row and column.
Measurements measure(const Recipe& recipe, const ModelGraph& model, Progress& progress);

}  // namespace bantam
