#pragma once

#include "base/json.h"
#include "base/progress.h"
#include "convert/architecture.h"
#include "convert/checkpoint.h"
#include "pipeline/recipe.h"

namespace bantam {

// The model without the heads that the recipe says, built anew from the checkpoint, which from then on knows
// which (Checkpoint::pruning); what left is in the recipe's list and in the model's notes. Without `run`
// nothing is measured: of a share, as many heads leave everywhere, and nothing is fitted. The texts of the
// recipe's calibration choose heads by ablation and fit what is left, one at a time: peak memory is the float
// model's, whatever their number. A list without texts is taken as it is and nothing is fitted; choosing a
// share needs some.
ModelGraph leave_heads_out(Recipe& recipe, Checkpoint& checkpoint, ModelGraph model, bool run,
                           Progress& progress);

// What config.json says of heads, as the graph has them: transformers' `pruned_heads` of encoders, the
// numbers of heads and their size of decoders.
void state_pruned_heads(const Checkpoint& checkpoint, const ModelGraph& model, Json& config);

}  // namespace bantam
