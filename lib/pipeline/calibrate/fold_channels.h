#pragma once

#include "base/progress.h"
#include "pipeline/plan.h"
#include "pipeline/recipe.h"

namespace bantam {

// Finds the foldings (quantize/fold.h) that variants of a recipe ask for, from measured.statistics. `model`
// is in the scaling that those were gathered in. Variants whose statistics are missing are left for
// quantize() to refuse.
void fold_channels(const Recipe& recipe, const ModelGraph& model, Measurements& measured, Progress& progress);

// Model and measurements as a variant has them: what decides about its bits must see what it will be made of.
struct FoldedModel {
  ModelGraph model;
  Measurements measured;
};
FoldedModel folded_for(const Variant& variant, const ModelGraph& model, const Measurements& measured);

}  // namespace bantam
