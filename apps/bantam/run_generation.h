#pragma once

#include "command.h"
#include "generation_flags.h"
#include "pipeline/answer/run_result.h"
#include "pipeline/bundle_model.h"
#include "question_flags.h"

namespace bantam {

struct GenerationRun {
  const QuestionFlags& questions;
  const GenerationFlags& generation;
  bool stream = false;  // write text to stdout as it comes; else it is only returned
};

// Usage errors for options that contradict each other; before anything is opened.
void check(const GenerationRun& run);
// Lets a variant of a decoder bundle continue the texts or answer the conversation. Fills questions and
// answers of `result`; speeds go to the console as notes.
void run_generation(const GenerationRun& run, const BundleModel& bundle, const Session& session,
                    const Console& console, RunResult& result);

}  // namespace bantam
