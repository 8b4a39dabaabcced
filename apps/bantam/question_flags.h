#pragma once

#include <optional>
#include <vector>

#include "convert/architecture.h"
#include "frame/options.h"
#include "pipeline/answer/answer.h"

namespace bantam {

// Where the texts come from that a model is asked.
struct QuestionFlags {
  Repeated texts;
  Repeated pairs;
  Repeated questions;
  Repeated contexts;
  std::optional<std::filesystem::path> file;  // "-": standard input

  bool any() const {
    return file || !texts.values.empty() || !pairs.values.empty() || !questions.values.empty() ||
           !contexts.values.empty();
  }
};

void declare_question_flags(Options& options, QuestionFlags& flags);
// What to ask a model of that task; at least one. Usage errors say which options the task wants.
std::vector<Question> questions_of(const QuestionFlags& flags, Task task);

}  // namespace bantam
