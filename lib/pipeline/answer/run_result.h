#pragma once

#include <string>
#include <vector>

#include "pipeline/answer/answer.h"
#include "pipeline/op_times.h"
#include "runtime/session.h"

namespace bantam {

// What one call of `bantam run` found: answers to questions, or the outputs of tensors.
struct RunResult {
  std::string model;  // what the user typed
  std::string dtype;  // empty: a graph that is no variant of a bundle
  std::string task;   // empty: tensors were fed
  std::vector<Question> questions;
  std::vector<Answer> answers;
  Tensors outputs;
  std::vector<OpTime> profile;
};

std::string run_json(const RunResult& result);  // schemas/run.schema.json
std::string run_table(const RunResult& result);

}  // namespace bantam
