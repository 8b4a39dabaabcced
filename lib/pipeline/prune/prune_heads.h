#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/progress.h"
#include "calibrate/heads/choose_heads.h"
#include "calibrate/tokenizer.h"
#include "convert/head_pruning.h"
#include "graph/graph.h"

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

}  // namespace bantam
