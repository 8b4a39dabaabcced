#include "pipeline/inspect.h"

#include <array>
#include <memory>
#include <string>

#include "command.h"
#include "print_inspection.h"

namespace bantam {
namespace {

struct Arguments {
  std::string path;
  bool all = false;
  bool json = false;
};

ExitCode run(const Arguments& arguments, const Console& console) {
  const Inspection inspection = inspect(arguments.path);
  console.print(arguments.json ? inspection_json(inspection)
                               : describe_inspection(inspection, arguments.all));
  return ExitCode::kDone;
}

constexpr std::array kExamples{
    UsageExample{"bantam inspect ./my-bert", "Show a checkpoint: family, task, tensors with their roles."},
    UsageExample{"bantam inspect ./bundle",
                 "Show where the bytes of a bundle's variants go, by dtype and by role."},
    UsageExample{"bantam inspect ./bundle/onnx/model_q4.onnx --json", "Describe one graph for a script."},
};

Action declare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.positional(
      "PATH", arguments->path,
      "A checkpoint folder, a hub id that is in the local cache, a .safetensors, .bin or .onnx "
      "file, or a bundle's folder.",
      {.completes = Completes::kFiles});
  options.add("--all", arguments->all, "List every tensor, not the largest ten.");
  options.add("--json", arguments->json, "Print JSON (schemas/inspect.schema.json); it holds every tensor.");
  return [arguments](const Console& console) { return run(*arguments, console); };
}

}  // namespace

extern const Command inspect_command;
constinit const Command inspect_command{
    .name = "inspect",
    .summary = "show what is in a checkpoint, a weight file, a graph or a bundle",
    .description =
        "Shows the family and task of a model, its number of parameters, bytes by element type and by role, "
        "the largest "
        "tensors, the operators of its graph, and the graph's inputs and outputs with their dimensions. "
        "Reads headers and "
        "structure, never a weight: large models take no longer than small ones.\n\n"
        "Tensor names and roles are those that the options --keep and --keep-role of convert, and rules in "
        "recipes, "
        "refer to. Of a bundle, every file is found to be there in its size; SHA256SUMS tells whether bytes "
        "changed.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam
