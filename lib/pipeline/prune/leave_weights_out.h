#pragma once

#include "base/progress.h"
#include "convert/architecture.h"
#include "convert/checkpoint.h"
#include "pipeline/recipe.h"

namespace bantam {

// The model with recipe.sparsity's share of the weights of every row of its linears set to zero
// (quantize/sparse_source.h): attention's four and those of the feed-forward layers, not embeddings, heads
// and biases. They are compared in the canonical scaling, so that the choice does not depend on the
// checkpoint's (unless recipe.canonical is off). Wanda runs the model over the texts of recipe.calibrate
// first. Without `run` nothing is read, and a note says what would be.
void leave_weights_out(const Recipe& recipe, const Checkpoint& checkpoint, ModelGraph& model, bool run,
                       Progress& progress);

}  // namespace bantam
