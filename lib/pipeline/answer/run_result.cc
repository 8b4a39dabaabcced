#include "pipeline/answer/run_result.h"

#include <nlohmann/json.hpp>

#include "convert/architecture.h"
#include "pipeline/tensor_files.h"

namespace bantam {
namespace {

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

}  // namespace

std::string run_json(const RunResult& result) {
  Json json = {{"model", result.model},
               {"dtype", text_or_null(result.dtype)},
               {"task", text_or_null(result.task)},
               {"answers", Json::array()},
               {"outputs", tensors_json(result.outputs)},
               {"profile", op_times_json(result.profile)}};
  for (std::size_t i = 0; i < result.answers.size(); ++i) {
    json["answers"].push_back(answer_json(result.questions[i], result.answers[i]));
  }
  return to_pretty_json(json);
}

std::string run_table(const RunResult& result) {
  std::string text;
  // What a decoder wrote was shown as it came.
  if (result.task != name(Task::kTextGeneration)) {
    text = result.outputs.empty() ? answers_table(result.questions, result.answers)
                                  : tensors_table(result.outputs);
  }
  if (!result.profile.empty()) text += "\n" + op_times_table(result.profile);
  return text;
}

}  // namespace bantam
