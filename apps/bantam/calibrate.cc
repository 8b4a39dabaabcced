#include "pipeline/calibrate/calibrate.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/parallel.h"
#include "base/units.h"
#include "calibrate/statistics/statistics_header.h"
#include "choices.h"
#include "command.h"
#include "convert/lora/adapter.h"
#include "data_options.h"
#include "quantize/canonical.h"

namespace bantam {
namespace {

struct Arguments {
  std::vector<std::string> sources;
  std::filesystem::path output;
  std::optional<std::filesystem::path> data;
  std::vector<std::string> what;
  std::optional<std::string> task;
  std::optional<std::string> adapter;
  std::optional<std::string> part;
  ByteSize stats_memory{CalibrateOptions{}.stats_memory};
  std::optional<int> threads;
  bool no_canonical = false;
  bool force = false;
  TextOptions text;
};

std::vector<Choice> kind_choices() {
  std::vector<Choice> choices;
  for (const StatisticsKindInfo& kind : statistics_kinds()) {
    choices.push_back({std::string(kind.name), std::string(kind.summary)});
  }
  return choices;
}

Collected collected_of(const std::vector<std::string>& words) {
  if (words.empty()) return {true, true, true};
  Collected collected;
  for (const std::string& word : words) {
    for (const StatisticsKindInfo& kind : statistics_kinds()) {
      if (kind.name == word) set(collected, kind.kind);
    }
  }
  return collected;
}

// "2/8"
void read_part(const std::string& text, CalibrateOptions& options) {
  const std::size_t slash = text.find('/');
  const auto number = [&](std::size_t begin, std::size_t end, std::int64_t& value) {
    const auto [rest, error] = std::from_chars(text.data() + begin, text.data() + end, value);
    return error == std::errc() && rest == text.data() + end && begin < end;
  };
  const bool good = slash != std::string::npos && number(0, slash, options.part) &&
                    number(slash + 1, text.size(), options.parts) && options.part >= 1 &&
                    options.part <= options.parts && options.parts <= 1'000'000;
  if (!good)
    fail_usage("--part {}: a number of a part and of how many were expected, as in 2/8", quote(text));
}

std::string describe(const StatisticsFile& file) {
  std::int64_t blocks = 0, all = 0;
  for (const CoveredData& data : file.info().data) {
    for (const auto& [begin, end] : data.blocks) blocks += end - begin;
    all += (data.texts + kTextsPerBlock - 1) / kTextsPerBlock;
  }
  return fmt::format(
      "{}: {} of {} blocks of {} texts, {} activations of {} linears, {}\n", file.path().string(), blocks,
      all, kTextsPerBlock, file.info().sites.size(),
      [&] {
        std::size_t weights = 0;
        for (const Site& site : file.info().sites) weights += site.weights.size();
        return weights;
      }(),
      format_bytes(static_cast<std::int64_t>(std::filesystem::file_size(file.path()))));
}

ExitCode merge(const Arguments& arguments, const Console& console) {
  if (arguments.data) fail_usage("calibrate merge: --data makes no sense with files of statistics");
  if (arguments.sources.size() < 3)
    fail_usage("calibrate merge: two files of statistics or more were expected");
  StagedFile output(arguments.output, arguments.force);
  std::vector<StatisticsFile> files;
  for (std::size_t i = 1; i < arguments.sources.size(); ++i)
    files.push_back(StatisticsFile::open(arguments.sources[i]));
  merge_statistics(files, output.file());
  output.commit();
  console.print(describe(StatisticsFile::open(arguments.output)));
  return ExitCode::kDone;
}

ExitCode run(const Arguments& arguments, const Console& console) {
  if (arguments.sources.front() == "merge") return merge(arguments, console);
  if (arguments.sources.size() > 1) {
    fail_usage("calibrate: {} after the checkpoint; only merge takes several files",
               quote(arguments.sources[1]));
  }
  if (!arguments.data) fail_usage("calibrate: --data is missing; name a file of texts");
  CalibrateOptions options;
  options.collect = collected_of(arguments.what);
  options.stats_memory = arguments.stats_memory.bytes;
  options.threads = arguments.threads.value_or(available_threads());
  if (arguments.part) read_part(*arguments.part, options);
  StagedFile output(arguments.output, arguments.force);
  Checkpoint checkpoint = open_checkpoint(arguments.sources.front());
  if (arguments.adapter) merge_adapter(checkpoint, *arguments.adapter);
  std::optional<Task> task;
  if (arguments.task) task = parse_task(*arguments.task);
  ModelGraph model = build_model(checkpoint, task);
  const CalibrationTexts texts =
      load_calibration_texts(checkpoint, model, calibration_data(arguments.text, *arguments.data),
                             options.threads, console.progress);
  with_context(checkpoint.directory.string(), [&] {
    if (!arguments.no_canonical) {
      const CanonicalSources sources = canonical_sources(model.graph, options.threads, console.progress);
      model.graph = sources.apply(model.graph, CanonicalForm::kFull);
    }
    calibrate(model, checkpoint.config, texts, options, output.file(), console.progress);
  });
  output.commit();
  console.print(describe(StatisticsFile::open(arguments.output)));
  return ExitCode::kDone;
}

constexpr std::array kExamples{
    UsageExample{"bantam calibrate ./my-bert --data train.tsv --limit 256 -o stats.bantam",
                 "Gather everything that later steps may want from 256 sentences."},
    UsageExample{
        "bantam calibrate ./my-llm --data corpus.txt --what moments,hessians --part 2/8 -o part2.bantam",
        "One of eight jobs that share the work."},
    UsageExample{"bantam calibrate ./my-llm --data self --what moments,hessians -o stats.bantam",
                 "Without data: the model writes its own calibration text."},
    UsageExample{"bantam calibrate merge part*.bantam -o stats.bantam", "What the jobs found, in one file."},
};

Action declare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.positional(
      "CHECKPOINT", arguments->sources,
      "A Hugging Face checkpoint folder or a hub id in the local cache; or the word merge and files of "
      "statistics.",
      {.required = true, .completes = Completes::kDirectories});
  options.add("-o,--output FILE", arguments->output,
              "The file of statistics. It appears when everything is done.", {.required = true});
  options.add(
      "--data FILE", arguments->data,
      "Texts: any format that bantam evaluate reads; labels are not needed. The word self: what a decoder writes when it "
      "is left alone, --limit (64) windows of --max-length (512) tokens, drawn by --seed.");
  options.add("--what LIST", arguments->what, "What to gather. Default: all.", {.choices = kind_choices()});
  options.add("--part I/N", arguments->part,
              "Only part I of N: whole blocks of 32 texts. Merged, the parts are the same file as one run.");
  options.add("--task TASK", arguments->task, "Overrides the task that config.json states.",
              {.choices = task_choices()});
  options.add("--adapter SOURCE", arguments->adapter, "Merge a LoRA adapter first, as convert does.",
              {.completes = Completes::kDirectories});
  options.add("--no-canonical", arguments->no_canonical,
              "Leave channels as the checkpoint scales them: for convert --no-canonical.");
  options.group("Running");
  options.add("--stats-memory SIZE", arguments->stats_memory,
              "Memory for Hessians; the model runs once for every wave of layers that fits. Default: 500MB.");
  options.add("--threads N", arguments->threads, "Threads. Default: all. The file does not depend on it.",
              {.min = 1, .max = 1024});
  options.add("-f,--force", arguments->force, "Replace an existing output.");
  declare_texts(options, arguments->text);
  return [arguments](const Console& console) { return run(*arguments, console); };
}

}  // namespace

extern const Command calibrate_command;
constinit const Command calibrate_command{
    .name = "calibrate",
    .summary = "gather what only data can tell: ranges, moments and Hessians of activations",
    .description =
        "Runs the float32 model natively over texts and records what its linear layers read: histograms for the ranges "
        "of static INT8, second moments, and products of channels (Hessians) for the 4-bit methods that use them. "
        "convert --stats reads the file.\n\n"
        "Memory does not grow with the number of texts. Sums are exact, so that the file does not depend on threads, "
        "on memory or on how the work was split: run --part 1/8 to 8/8 anywhere, and merge.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam
