#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "convert/architecture.h"
#include "pipeline/answer/answer.h"
#include "pipeline/bundle_model.h"
#include "runtime/session.h"

namespace bantam {

// What the pipeline of a task takes, by the names of the command line.
struct TaskInputs {
  Task task;
  std::string_view text;  // the option that gives the text: "--text" or "--question"
  std::string_view pair;  // "--pair", "--context"; empty: there is no second text
  bool pair_required = false;
  std::int64_t default_top = 0;  // answers that are given when nobody asks for more; 0: there is no choice
};
const TaskInputs& task_inputs(Task task);

// A bundle's variant of any task but text generation (TextGenerator) that answers texts as the task's
// pipeline of transformers does: the bundle's tokenizer, texts cut to what the model takes, a batch of one,
// and the post-processing of calibrate/answers.
class TextModel {
 public:
  // `session` is one of the bundle's variants; both must outlive the model. `top`: at most so many labels or
  // fillings. Errors where the bundle holds no tokenizer.
  TextModel(const BundleModel& bundle, const Session& session, std::optional<std::int64_t> top = {});
  ~TextModel();

  // Errors say where the question stands.
  Answer answer(const Question& question) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace bantam
