#pragma once

#include <string>
#include <vector>

#include "base/progress.h"
#include "convert/checkpoint.h"
#include "pipeline/evaluate/evaluation_task.h"
#include "pipeline/plan.h"
#include "pipeline/recipe.h"

namespace bantam {

// How much a static variant may lose against the float model: of the score, where the data are labelled (of
// perplexity, the share by which it grows), else the mean KL divergence of the outputs (1 - cosine of
// vectors).
struct AccuracyGoal {
  double max_drop = 0;
  EvaluationTaskOptions data;
};

// Holds a static variant to recipe.goal: as long as it loses more than that against the float model, the
// linear that hurts most goes back to float, as a rule of the variant. What hurts is measured once, before:
// the divergence of the outputs when that linear alone is static, over the first examples (the loop of NNCF's
// quantization with accuracy control, with divergence in place of the metric, which a few hundred examples
// cannot tell apart). Returns what was put back, as notes. Error when the loss is still too large with every
// linear in float.
std::vector<std::string> control_accuracy(const Recipe& recipe, const Checkpoint& checkpoint,
                                          const ModelGraph& model, const Measurements& measured,
                                          Variant& variant, Progress& progress);

}  // namespace bantam
