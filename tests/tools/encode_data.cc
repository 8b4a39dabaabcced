// Answers scripts/check_js_tokenizer: reads a data set as `bantam evaluate` reads it for the bundle's task,
// and writes each text (or pair) with the whole of its encoding, not truncated, as JSON lines.
//   bantam_encode_data BUNDLE DATA
#include <fmt/ranges.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "pipeline/evaluate/evaluation_task.h"

namespace bantam {
namespace {

void write(const Tokenizer& tokenizer, const std::string& place, const TextPair& input) {
  const Encoding encoding =
      input.has_pair ? tokenizer.encode_pair(input.text, input.pair) : tokenizer.encode(input.text);
  Json line = {
      {"place", place}, {"text", input.text}, {"ids", encoding.ids}, {"type_ids", encoding.type_ids}};
  if (input.has_pair) line["pair"] = input.pair;
  std::cout << line.dump() << '\n';
}

void run(const std::filesystem::path& folder, const std::filesystem::path& file) {
  const BundleModel bundle = open_bundle(folder);
  const Tokenizer tokenizer = Tokenizer::load(bundle.root);
  EvaluationTaskOptions options;
  options.data = file;
  const EvaluationTaskPtr task = make_evaluation_task(bundle, bundle.task, options);
  for (const Example& example : task->data().examples) {
    const std::string place = task->data().place(example);
    if (!example.words.empty()) {
      const std::string joined = fmt::format("{}", fmt::join(example.words, " "));
      write(tokenizer, place, {joined, {}, false});
    } else if (bundle.task == Task::kFeatureExtraction &&
               example.has_pair) {  // two texts, one after the other
      write(tokenizer, place, {example.text, {}, false});
      write(tokenizer, place, {example.pair, {}, false});
    } else {
      write(tokenizer, place, {example.text, example.pair, example.has_pair});
    }
  }
}

}  // namespace
}  // namespace bantam

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    bantam::run(argv[1], argv[2]);
  } catch (const bantam::Error& error) {
    std::cerr << error.message() << '\n';
    return 1;
  }
  return 0;
}
