#pragma once

#include "pipeline/evaluate/evaluation_task.h"
#include "runtime/session.h"

namespace bantam {

// Largest change of a compared output when its text does not run alone but in a padded batch of the first few
// examples. Dynamic INT8 takes the range of its activations from everything in the batch, padding too.
double padded_difference(const Session& session, const EvaluationTask& task, const Padding& padding);

}  // namespace bantam
