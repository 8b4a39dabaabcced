#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "calibrate/heads/choose_heads.h"
#include "calibrate/tokenizer.h"
#include "convert/head_pruning.h"
#include "convert/architecture.h"
#include "convert/checkpoint.h"
#include "graph/graph.h"
#include "pipeline/recipe.h"

namespace bantam {

struct PruneOptions {
  std::optional<double> fraction;  // choose so many heads; else `list` says which leave
  HeadPruning list;
  bool refit = true;    // fit the output projections to what is left
  bool uniform = false; // see HeadChoiceOptions
  int threads = 1;
};

struct PrunedModel {
  HeadPruning pruning;
  std::vector<HeadStep> steps;  // empty where a list was given
};

// Runs the float graph over the texts, one at a time: chooses heads by ablation, then fits what is left. Without texts a
// list is taken as it is and nothing is fitted; choosing needs some. Peak memory is the float model's, whatever the
// number of texts.
PrunedModel prune_heads(const Graph& model, std::span<const Encoding> texts, const PruneOptions& options,
                        Progress& progress);

// The model without the heads that the recipe says, built anew from the checkpoint, which from then on knows which
// (Checkpoint::pruning); what left is in the recipe's list and in the model's notes. Without `run` nothing is measured: of a
// share, as many heads leave everywhere, and nothing is fitted.
ModelGraph leave_heads_out(Recipe& recipe, Checkpoint& checkpoint, ModelGraph model, bool run, Progress& progress);

// What config.json says of heads, as the graph has them: transformers' `pruned_heads` of encoders, the numbers of heads and
// their size of decoders.
void state_pruned_heads(const Checkpoint& checkpoint, const ModelGraph& model, Json& config);

}  // namespace bantam
