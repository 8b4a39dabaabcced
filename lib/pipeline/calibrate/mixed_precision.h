#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "convert/checkpoint.h"
#include "pipeline/evaluate/evaluation_task.h"
#include "pipeline/plan.h"
#include "pipeline/recipe.h"
#include "pipeline/report/budget_frontier.h"

namespace bantam {

// What a 4-bit variant may take, or may lose; every loss that is given must be held, and a size comes alone.
struct Budget {
  std::optional<std::int64_t> max_bytes;  // of session file and shards
  std::optional<double>
      max_kl;  // mean divergence of the outputs, over all of data (as far as OutputLoss keeps them)
  std::optional<double> min_retention;  // share of the float model's score
  // Examples that sensitivity is measured on, and what is promised; without them only max_bytes, by noise
  // alone.
  std::optional<EvaluationTaskOptions> data;
};

// Chooses four or eight bits for every blockwise weight of a variant, as rules before the user's own, which
// win: the most quality within recipe.budget's bytes, or the fewest bytes within its loss.
//
// What a weight costs in four bits: the divergence of the outputs when all weights of its role are in four
// bits and all others in float, measured over about 4096 tokens, shared out among the weights of the role by
// their relative noise, sum m d^2 / sum m w^2 (d: error of w as the variant's method leaves it, m: second
// moments of the input, where they are known). Divergences of small independent errors add up; eight bits
// leave the share that their noise is of that of four. max_bytes is then a knapsack, and exact: choices are
// laid out before they are taken. max_kl and min_retention are held by measuring: bisection over
// storage_frontier(), then between its points.
//
// Returns what was chosen, what it was measured to lose, and the frontier. Error when nothing meets the
// budget, with the nearest that can.
struct FittedBudget {
  BudgetFrontier frontier;
  std::vector<std::string> notes;
};
FittedBudget fit_budget(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                        const Measurements& measured, Variant& variant, Progress& progress);

}  // namespace bantam
