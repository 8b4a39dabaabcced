#include "pipeline/verify/verify.h"

#include <array>
#include <memory>
#include <string>

#include "base/parallel.h"
#include "command.h"

namespace bantam {
namespace {

struct Arguments {
  std::filesystem::path bundle;
  bool run = false;
  bool json = false;
  int threads = available_threads();
};

ExitCode run(const Arguments& arguments, const Console& console) {
  const VerifyResult result =
      verify(arguments.bundle, {.threads = arguments.threads, .run = arguments.run}, console.progress);
  console.print(arguments.json ? verification_json(result) : describe_verification(result));
  return result.passed() ? ExitCode::kDone : ExitCode::kFailed;
}

constexpr std::array kExamples{
    UsageExample{"bantam verify ./bundle", "Check every byte and rule, and show what will run where."},
    UsageExample{"bantam verify ./bundle --run", "Also run every graph once."},
    UsageExample{"bantam verify ./bundle --json",
                 "The same for a script; exit code 1 when something is broken."},
};

Action declare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.positional("BUNDLE", arguments->bundle,
                     "The folder that bantam convert wrote, or any folder for transformers.js.",
                     {.completes = Completes::kDirectories});
  options.add("--run", arguments->run, "Also run every graph once in the native runtime, on four tokens.");
  options.add("--json", arguments->json, "Print JSON (schemas/verify.schema.json).");
  options.add("--threads N", arguments->threads, "Threads. Default: all.", {.min = 1, .max = 1024});
  return [arguments](const Console& console) { return run(*arguments, console); };
}

}  // namespace

extern const Command verify_command;
constinit const Command verify_command{
    .name = "verify",
    .summary = "check a bundle as a browser will use it, and every byte of it",
    .description =
        "Replays what transformers.js and onnxruntime-web do with the folder: which files they ask for with each dtype on "
        "each device and with none, how many data files they expect, where tensors must lie, what the inputs and caches of "
        "graphs must be called, whether tokenizer and chat template are there. A page that misses one data file waits "
        "forever and says nothing; verify says it before the upload.\n\n"
        "Checks SHA-256 of every file, so that a flipped bit, a truncated, missing or replaced file is named; web pages and "
        "Git-LFS pointers that were saved in place of a file are called what they are. Then it shows, per dtype, what will "
        "run on wasm, on WebGPU and in Node, by a table of kernels that was measured. Exit code 1 when something is broken.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam
