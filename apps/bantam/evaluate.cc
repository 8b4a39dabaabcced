#include "pipeline/evaluate/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "choices.h"
#include "command.h"
#include "data_options.h"
#include "gate_options.h"
#include "pipeline/bundle_model.h"
#include "pipeline/report/write_report.h"
#include "print_report.h"

namespace bantam {
namespace {

struct Arguments {
  std::string bundle;
  std::string reference;
  std::string adapter;
  std::optional<std::filesystem::path> reference_outputs;
  std::filesystem::path data;
  std::optional<std::string> task;
  std::vector<std::string> dtypes;
  std::optional<std::filesystem::path> report;
  DataOptions data_options;
  GateOptions gates;
  std::int64_t layers = 8;
  int threads = 0;
  bool json = false;
};

ExitCode run(const Arguments& arguments, const Console& console) {
  EvaluateOptions options;
  if (!arguments.adapter.empty() && arguments.reference.empty()) {
    fail_usage("evaluate: --adapter needs --reference, the checkpoint that it was merged into");
  }
  options.reference = arguments.reference;
  options.reference_adapter = arguments.adapter;
  options.reference_outputs = arguments.reference_outputs;
  if (arguments.task) options.task = parse_task(*arguments.task);
  if (arguments.dtypes != std::vector<std::string>{"all"}) options.dtypes = arguments.dtypes;
  options.data = evaluation_data(arguments.data_options, arguments.data);
  options.layer_samples = arguments.layers;
  options.threads = arguments.threads == 0 ? available_threads() : arguments.threads;
  const BundleModel bundle = open_bundle(arguments.bundle);
  Report report = evaluate(bundle, options, console.progress);
  report.gates = check_gates(report, limits_of(arguments.gates));
  if (arguments.report) write_report(report, *arguments.report);
  if (arguments.gates.junit) replace_text_file(*arguments.gates.junit, junit_xml(report));
  std::string text = arguments.json ? report_json(report) : describe_report(report);
  if (arguments.report && !arguments.json) {
    text += fmt::format("\nReport: {}\n", (*arguments.report / "report.html").string());
  }
  console.print(text);
  return any_missed(report.gates) ? ExitCode::kGateMissed : ExitCode::kDone;
}

constexpr std::array kExamples{
    UsageExample{
        "bantam evaluate ./bundle --reference ./my-bert --data dev.tsv --report ./quality",
        "Measure every variant on labelled sentences and write report.json, report.md and report.html."},
    UsageExample{
        "bantam evaluate ./bundle --reference ./my-bert --data dev.jsonl --columns text=review,label=stars --dtype q8,q4 "
        "--min-retention 0.99 --junit gates.xml",
        "Fail a CI job (exit code 3) when a variant keeps less than 99 % of the score."},
    UsageExample{"bantam evaluate ./bundle --data texts.txt",
                 "Without labels or checkpoint: how closely the variants agree with the bundle's own fp32."},
};

Action declare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  std::vector<Choice> dtypes = {{"all", "what the bundle holds"}};
  for (const Choice& dtype : dtype_choices()) dtypes.push_back({dtype.name, ""});
  options.positional("BUNDLE", arguments->bundle, "The folder that bantam convert wrote.",
                     {.required = true, .completes = Completes::kDirectories});
  options.add("--data FILE", arguments->data,
              "Examples: JSONL, JSON, CSV, TSV, CoNLL, SQuAD, Parquet or plain text, labelled or not.",
              {.required = true});
  options.add(
      "--reference SOURCE", arguments->reference,
      "The checkpoint that the bundle was made of (folder or hub id), run in float32. Default: the bundle's own fp32 "
      "variant.",
      {.completes = Completes::kDirectories});
  options.add("--adapter SOURCE", arguments->adapter,
              "The LoRA adapter that was merged into the reference for the bundle.",
              {.completes = Completes::kDirectories});
  options.add(
      "--reference-outputs FILE", arguments->reference_outputs,
      "Outputs made elsewhere (PyTorch), as safetensors: \"logits\" stacked, or \"logits.0\", \"logits.1\", ... one per "
      "sequence. They take the reference's place, so that the runtime need not judge itself.");
  options.add("-d,--dtype LIST", arguments->dtypes, "Variants to measure, or all. Default: all.",
              {.choices = std::move(dtypes)});
  options.add("--task TASK", arguments->task, "Overrides the task that the bundle states.",
              {.choices = task_choices()});
  options.add("--report DIR", arguments->report, "Write report.json, report.md and report.html there.",
              {.completes = Completes::kDirectories});
  options.add("--layers N", arguments->layers,
              "Examples over which the error of every layer is measured; 0 leaves it out. Default: 8.",
              {.min = 0, .max = 10000});
  options.add("--threads N", arguments->threads, "Threads. Default: all.", {.min = 1, .max = 1024});
  options.add("--json", arguments->json, "Print the report as JSON.");
  declare_data(options, arguments->data_options);
  declare_gates(options, arguments->gates, GatedCommand::kEvaluate);
  return [arguments](const Console& console) { return run(*arguments, console); };
}

}  // namespace

extern const Command evaluate_command;
constinit const Command evaluate_command{
    .name = "evaluate",
    .summary = "measure what compression cost, on the shipped files",
    .description =
        "Runs the checkpoint in float32 and every variant of its bundle over a data set, with the native runtime and the "
        "bundle's own tokenizer, one text at a time as a browser does.\n\n"
        "For each variant: size, bits per weight, the task's score with a 95 % bootstrap interval, retention (score over the "
        "reference's score, paired bootstrap), how closely outputs agree (KL divergence, top-1, cosine), the error of every "
        "layer, and speed. Without labels it still reports agreement. Gates turn it into a check for CI: exit code 3 when one "
        "is missed; a limit inside the measured interval is undecided, and the output says how many samples would decide.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam
