#include <array>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "command.h"
#include "pipeline/answer/run_result.h"
#include "pipeline/answer/text_model.h"
#include "pipeline/op_times.h"
#include "pipeline/tensor_files.h"
#include "question_flags.h"
#include "run_generation.h"
#include "session_flags.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

struct Arguments {
  fs::path model;
  std::string dtype;
  QuestionFlags questions;
  GenerationFlags generation;
  std::optional<std::int64_t> top;
  std::optional<fs::path> inputs;
  std::optional<fs::path> outputs;
  bool force = false;
  SessionFlags session;
  bool json = false;

  bool is_graph() const { return model.extension() == ".onnx"; }
};

void check(const Arguments& arguments) {
  if (arguments.inputs && arguments.questions.any()) fail_usage("run: give texts or --inputs, not both");
  if (const auto option = arguments.generation.given(); arguments.inputs && !option.empty())
    fail_usage("run: {} is for texts, not for --inputs", option);
  check(GenerationRun{arguments.questions, arguments.generation});
  if (arguments.inputs && arguments.top) fail_usage("run: --top is for texts, not for --inputs");
  if (arguments.outputs && !arguments.inputs)
    fail_usage("run: --outputs saves what --inputs gives; give both");
  if (arguments.is_graph() && !arguments.dtype.empty()) {
    fail_usage("run: --dtype chooses among the variants of a bundle; {} is one graph",
               arguments.model.string());
  }
  if (arguments.is_graph() && !arguments.inputs) {
    fail_usage("run: {} has no tokenizer: give --inputs FILE, or the bundle's folder",
               arguments.model.string());
  }
}

RunResult run_tensors(const Arguments& arguments) {
  std::optional<StagedFile> file;
  if (arguments.outputs) file.emplace(*arguments.outputs, arguments.force);
  RunResult result;
  const SessionOptions options = session_options(arguments.session);
  const Session session = [&] {
    if (arguments.is_graph()) return Session::open(arguments.model, options);
    const BundleModel bundle = open_bundle(arguments.model);
    const InspectedVariant& variant = bundle.variant(arguments.dtype);
    result.dtype = variant.dtype;
    return bundle.open(variant, options);
  }();
  const Tensors inputs = read_inputs(*arguments.inputs, session.inputs());
  result.outputs = with_context(arguments.inputs->string(), [&] { return session.run(inputs); });
  if (file) {
    with_context(arguments.outputs->string(), [&] { write_tensors(file->file(), result.outputs); });
    file->commit();
  }
  result.profile = op_times(session.profile());
  return result;
}

RunResult run_texts(const Arguments& arguments, const Console& console) {
  Progress& progress = console.progress;
  const BundleModel bundle = open_bundle(arguments.model);
  if (arguments.top && task_inputs(bundle.task).default_top == 0) {
    fail_usage("run: --top: a bundle for {} gives one answer", name(bundle.task));
  }
  const bool generates = bundle.task == Task::kTextGeneration;
  if (const auto option = arguments.generation.given(); !generates && !option.empty())
    fail_usage("run: {}: a bundle for {} generates no text", option, name(bundle.task));
  RunResult result;
  result.task = name(bundle.task);
  if (!generates) result.questions = questions_of(arguments.questions, bundle.task);
  const InspectedVariant& variant = bundle.variant(arguments.dtype);
  result.dtype = variant.dtype;
  const Session session = bundle.open(variant, session_options(arguments.session));
  if (generates) {
    const GenerationRun generation = {arguments.questions, arguments.generation, !arguments.json};
    run_generation(generation, bundle, session, console, result);
    result.profile = op_times(session.profile());
    return result;
  }
  const TextModel model(bundle, session, arguments.top);
  if (arguments.questions.file) progress.begin("answer", std::ssize(result.questions), ProgressUnit::kItems);
  for (const Question& question : result.questions) {
    check_cancelled();
    result.answers.push_back(model.answer(question));
    if (const std::int64_t cut = result.answers.back().cut_tokens; cut > 0) {
      progress.note(fmt::format("{}: the last {} tokens do not fit and were left out", question.where, cut));
    }
    if (arguments.questions.file) progress.advance(1);
  }
  result.profile = op_times(session.profile());
  return result;
}

ExitCode run(const Arguments& arguments, const Console& console) {
  check(arguments);
  RunResult result = arguments.inputs ? run_tensors(arguments) : run_texts(arguments, console);
  result.model = arguments.model.string();
  console.print(arguments.json ? run_json(result) : run_table(result));
  return ExitCode::kDone;
}

constexpr std::array kExamples{
    UsageExample{"bantam run ./bundle --dtype q8 --text \"a warm and funny film\"",
                 "Print the label and its score."},
    UsageExample{"bantam run ./bundle --question \"Who wrote it?\" --context \"It was written by Ada.\"",
                 "Find an answer in a text."},
    UsageExample{"bantam run ./bundle --text-file texts.txt --top 3 --json",
                 "Answer every line of a file, for a script."},
    UsageExample{"bantam run ./bundle --text \"def fibonacci(n):\" --max-new-tokens 100",
                 "Let a decoder continue a text, token by token."},
    UsageExample{"bantam run ./bundle --chat --text \"Name three birds.\" --temperature 0.7 --seed 1",
                 "Ask a chat model; the same seed gives the same answer."},
    UsageExample{"bantam run ./bundle --dtype q4 --inputs in.safetensors --outputs out.safetensors",
                 "Feed tensors by the names of the graph's inputs and save what comes out."},
};

Action declare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.positional("BUNDLE", arguments->model,
                     "The folder that bantam convert wrote; with --inputs, any .onnx file.",
                     {.completes = Completes::kFiles});
  options.add("-d,--dtype DTYPE", arguments->dtype,
              "The variant to run. Default: the one that transformers.js loads on wasm.");
  declare_question_flags(options, arguments->questions);
  options.group("Answer");
  options.add("--top N", arguments->top, "Labels (default: 1) or fillings of a mask (default: 5) to show.",
              {.min = 1, .max = 1'000'000});
  options.add("--json", arguments->json, "Print JSON (schemas/run.schema.json).");
  declare_generation_flags(options, arguments->generation);
  options.group("Tensors");
  options.add("--inputs FILE", arguments->inputs,
              "Feed the tensors of a safetensors file, by the names of the inputs.");
  options.add("--outputs FILE", arguments->outputs, "Save the outputs as a safetensors file.");
  options.add("-f,--force", arguments->force, "Replace an existing file of outputs.");
  declare_session_flags(options, arguments->session);
  return [arguments](const Console& console) { return run(*arguments, console); };
}

}  // namespace

extern const Command run_command;
constinit const Command run_command{
    .name = "run",
    .summary = "ask a bundle something, or feed a graph tensors",
    .description =
        "Runs one variant of a bundle in the native runtime, with the files that browsers load, and prints "
        "the answer of its "
        "task as the pipelines of transformers give it: label and score, entities, the span that answers a "
        "question, the "
        "sentence embedding, or the tokens that fill a mask; a decoder continues the text or, with --chat, answers it. Texts are run one at a time, so that none "
        "changes another's answer.\n\n"
        "With --inputs it feeds tensors instead and reports every output. --emulate-fp16 and --nbits compute "
        "as a browser "
        "would; --profile shows where the time goes.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam
