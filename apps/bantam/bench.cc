#include "pipeline/bench/bench.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "command.h"
#include "session_flags.h"

namespace bantam {
namespace {

struct Arguments {
  std::filesystem::path bundle;
  std::vector<std::string> dtypes;
  std::int64_t batch = 1;
  std::int64_t length = 128;
  std::optional<std::int64_t> runs;
  std::optional<double> seconds;
  SessionFlags session;
  bool json = false;
};

ExitCode run(const Arguments& arguments, const Console& console) {
  BenchOptions options;
  if (arguments.dtypes != std::vector<std::string>{"all"}) options.dtypes = arguments.dtypes;
  options.shape = {arguments.batch, arguments.length};
  options.session = session_options(arguments.session);
  if (arguments.runs && arguments.seconds)
    fail_usage("bench: --runs and --seconds are two ways to say when it is enough; give one");
  if (arguments.runs) options.limits.rounds = *arguments.runs;
  if (arguments.seconds) options.limits.seconds = *arguments.seconds;
  if (!(options.limits.seconds > 0 && options.limits.seconds <= 3600)) {
    fail_usage("bench: --seconds: more than 0 and at most 3600 were expected");
  }
  const Bench measured = bench(open_bundle(arguments.bundle), options, console.progress);
  console.print(arguments.json ? bench_json(measured) : bench_table(measured));
  return ExitCode::kDone;
}

constexpr std::array kExamples{
    UsageExample{"bantam bench ./bundle --dtype fp32,q8,q4 --threads 2",
                 "Compare three variants, interleaved, on two threads."},
    UsageExample{"bantam bench ./bundle --dtype q8 --batch 8 --length 128 --profile",
                 "Show where the time of a larger batch goes."},
    UsageExample{"bantam bench ./bundle --seconds 5 --json", "Measure every variant for a script."},
};

Action declare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.positional("BUNDLE", arguments->bundle, "The folder that bantam convert wrote.",
                     {.completes = Completes::kDirectories});
  options.add("-d,--dtype LIST", arguments->dtypes,
              "Variants to time, by transformers.js' names. Default: all of them.");
  options.add("--batch N", arguments->batch, "Sequences that are run together. Default: 1.",
              {.min = 1, .max = 4096});
  options.add("--length N", arguments->length, "Tokens of each sequence. Default: 128.",
              {.min = 1, .max = 1 << 20});
  options.add("--runs N", arguments->runs, "Runs of every variant.", {.min = 1, .max = 1'000'000});
  options.add("--seconds S", arguments->seconds,
              "Time for every variant, in place of --runs. Default: 2, and five runs at least.");
  options.add("--json", arguments->json, "Print JSON (schemas/bench.schema.json).");
  declare_session_flags(options, arguments->session);
  return [arguments](const Console& console) { return run(*arguments, console); };
}

}  // namespace

extern const Command bench_command;
constinit const Command bench_command{
    .name = "bench",
    .summary = "time the variants of a bundle",
    .description =
        "Runs variants of a bundle in the native runtime on random tokens and prints the median time of a "
        "run, "
        "its spread, tokens per second, the memory of tensors and weights, and how many times as fast each "
        "variant is as fp32 "
        "(or as the first one where fp32 is not among them).\n\n"
        "Variants take turns, one run each, so that whatever else the machine does hits all alike. These are "
        "times of "
        "this CPU: they compare variants and machines, and a browser's times differ.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam
