#include <fmt/format.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/units.h"
#include "budget_flags.h"
#include "calibration_flags.h"
#include "choices.h"
#include "command.h"
#include "data_options.h"
#include "gate_options.h"
#include "graph/role.h"
#include "pipeline/evaluate/evaluate.h"
#include "pipeline/recipe.h"
#include "pipeline/run.h"
#include "print_plan.h"
#include "print_report.h"
#include "shard/compress.h"

namespace bantam {
namespace {

struct Arguments {
  std::optional<std::string> source;
  std::optional<std::string> adapter;
  std::optional<std::filesystem::path> output;
  std::vector<std::string> dtypes;
  std::optional<std::string> task;
  std::optional<ByteSize> shard_size;
  std::optional<ByteSize> binding_limit;
  std::optional<int> threads;
  std::optional<std::filesystem::path> recipe;
  std::optional<std::int64_t> block_size;
  bool asymmetric = false;
  bool no_canonical = false;
  std::optional<std::string> embeddings;
  std::optional<std::string> method;
  std::vector<std::string> keep;
  std::vector<std::string> keep_roles;
  std::optional<std::string> prune_heads;
  std::optional<double> sparsity;
  std::optional<std::string> sparsity_method;
  std::optional<std::string> target;
  std::optional<std::string> ops;
  std::vector<std::string> compress;
  bool allow_nonfinite = false;
  bool hash_source = false;
  bool page = false;
  bool dry_run = false;
  bool force = false;
  bool json = false;
  std::optional<std::filesystem::path> evaluate;
  CalibrationFlags calibration;
  BudgetFlags budget;
  DataOptions data;
  GateOptions gates;
};

std::vector<Choice> role_choices() {
  std::vector<Choice> choices;
  for (const RoleInfo& entry : roles()) choices.push_back({std::string(entry.name), ""});
  return choices;
}

std::vector<Choice> method_choices() {
  std::vector<Choice> choices;
  for (const MethodInfo& entry : methods())
    choices.push_back({std::string(entry.name), std::string(entry.summary)});
  return choices;
}

template <typename T>
std::vector<Choice> word_choices(std::span<const Word<T>> words) {
  std::vector<Choice> choices;
  for (const Word<T>& word : words) choices.push_back({std::string(word.name), std::string(word.summary)});
  return choices;
}

template <typename T>
void choose(std::span<const Word<T>> words, const std::optional<std::string>& name, T& value) {
  for (const Word<T>& word : words) {
    if (name && word.name == *name) value = word.value;
  }
}

std::vector<Choice> compression_choices() {
  std::vector<Choice> choices;
  for (const Compression& entry : compressions())
    choices.push_back({std::string(entry.name), std::string(entry.summary)});
  return choices;
}

// Defaults, then the recipe file, then the flags.
Recipe make_recipe(const Arguments& arguments) {
  Recipe recipe;
  recipe.threads = available_threads();
  for (const DtypeName dtype : default_dtypes()) recipe.variants.push_back({.dtype = dtype});
  if (arguments.recipe) apply_recipe_file(*arguments.recipe, recipe);
  if (arguments.source) recipe.source = *arguments.source;
  if (arguments.adapter) recipe.adapter = *arguments.adapter;
  if (arguments.output) recipe.output = *arguments.output;
  if (arguments.task) recipe.task = parse_task(*arguments.task);
  if (arguments.shard_size) recipe.shard_bytes = arguments.shard_size->bytes;
  choose(targets(), arguments.target, recipe.target);
  choose(ops_styles(), arguments.ops, recipe.ops);
  if (arguments.binding_limit) recipe.binding_bytes = arguments.binding_limit->bytes;
  if (arguments.threads) recipe.threads = *arguments.threads;
  if (!arguments.compress.empty()) recipe.compress = arguments.compress;
  if (arguments.no_canonical) recipe.canonical = false;
  if (arguments.prune_heads) set_prune_heads(*arguments.prune_heads, recipe);
  if (arguments.sparsity)
    recipe.sparsity = {*arguments.sparsity,
                       arguments.calibration.texts ? SparsityMethod::kWanda : SparsityMethod::kMagnitude};
  if (arguments.sparsity_method) {
    if (!recipe.sparsity)
      fail_usage("--sparsity-method says how --sparsity SHARE chooses; there is no share");
    choose(sparsity_methods(), arguments.sparsity_method, recipe.sparsity->method);
  }
  recipe.allow_nonfinite |= arguments.allow_nonfinite;
  recipe.hash_source |= arguments.hash_source;
  recipe.page |= arguments.page;
  recipe.force = arguments.force;
  if (!arguments.dtypes.empty()) {
    // A dtype that the recipe file describes keeps its settings there.
    std::vector<Variant> chosen;
    for (const std::string& text : arguments.dtypes) {
      const DtypeName dtype = *dtype_from_name(text);
      Variant variant{.dtype = dtype};
      for (const Variant& described : recipe.variants) {
        if (described.dtype == dtype) variant = described;
      }
      chosen.push_back(std::move(variant));
    }
    recipe.variants = std::move(chosen);
  }
  for (Variant& variant : recipe.variants) {
    if (arguments.block_size) variant.block_size = *arguments.block_size;
    if (arguments.asymmetric) variant.symmetric = false;
    if (arguments.embeddings) variant.fused_embeddings = *arguments.embeddings == "fused";
    if (arguments.method) variant.method = method_from_name(*arguments.method);
    for (const std::string& pattern : arguments.keep)
      variant.rules.push_back({.role = {}, .match = pattern, .keep = true});
    for (const std::string& role : arguments.keep_roles) {
      for (const RoleInfo& entry : roles()) {
        if (entry.name == role) variant.rules.push_back({.role = entry.role, .match = {}, .keep = true});
      }
    }
  }
  apply_calibration(arguments.calibration, arguments.data, arguments.evaluate, recipe);
  std::optional<std::filesystem::path> examples = arguments.evaluate;
  if (!examples && arguments.calibration.texts != kSelf) examples = arguments.calibration.texts;
  apply_budget(arguments.budget, arguments.gates, arguments.data, examples, recipe);
  const bool chooses = recipe.budget && !arguments.budget.max_size;
  if (limits_losses(arguments.gates) && !arguments.evaluate && !chooses) {
    fail_usage(
        "convert: --min-retention and --max-kl need --evaluate FILE; --calibrate FILE is enough for choosing bits of q4 and q4f16");
  }
  if (recipe.source.empty()) fail_usage("convert: SOURCE is missing; name a checkpoint folder or a hub id");
  if (recipe.output.empty() && !arguments.dry_run)
    fail_usage("convert: --output is missing; say where the bundle goes");
  return recipe;
}

// Measures the written variants against the source, with the gates' verdicts.
Report judge(const Arguments& arguments, const Recipe& recipe, const BundleModel& bundle,
             Progress& progress) {
  EvaluateOptions options;
  options.reference = recipe.source;
  options.reference_adapter = recipe.adapter;
  options.data = evaluation_data(arguments.data, *arguments.evaluate);
  options.threads = recipe.threads;
  Report report = evaluate(bundle, options, progress);
  report.gates = check_gates(report, limits_of(arguments.gates));
  return report;
}

void check_evaluation(const Arguments& arguments) {
  if (arguments.evaluate) return;
  if (arguments.gates.max_bytes || arguments.gates.junit) {
    fail_usage("convert: gates need --evaluate DATA, which measures what they limit");
  }
}

ExitCode run(const Arguments& arguments, const Console& console) {
  check_evaluation(arguments);
  const auto begin = std::chrono::steady_clock::now();
  const Recipe recipe = make_recipe(arguments);
  if (arguments.dry_run) {
    std::error_code ignored;
    if (!recipe.output.empty() && !recipe.force && std::filesystem::exists(recipe.output, ignored)) {
      console.progress.note(recipe.output.string() + ": exists; the run itself will need --force");
    }
    const Plan plan = plan_bundle(recipe, false, console.progress);
    console.print(arguments.json ? plan_json(plan) : describe_plan(plan));
    return ExitCode::kDone;
  }
  check_output(recipe);
  const Plan plan = plan_bundle(recipe, true, console.progress);
  for (const std::string& note : plan.notes) console.progress.note(note);
  Judge judgement;
  if (arguments.evaluate) {
    judgement = [&](const BundleModel& bundle) { return judge(arguments, recipe, bundle, console.progress); };
  }
  const BundleResult result = write_bundle(plan, console.progress, judgement);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  std::string text = arguments.json ? result.manifest : describe_result(plan, result, elapsed.count());
  if (result.report) {
    if (arguments.gates.junit) replace_text_file(*arguments.gates.junit, junit_xml(*result.report));
    if (!arguments.json) {
      text += fmt::format("\n{}\nReport: {}\n", describe_report(*result.report),
                          (recipe.output / "report.html").string());
    }
  }
  console.print(text);
  return result.report && any_missed(result.report->gates) ? ExitCode::kGateMissed : ExitCode::kDone;
}

constexpr std::array kExamples{
    UsageExample{"bantam convert ./my-bert -o ./bundle",
                 "Convert a checkpoint folder to every default dtype."},
    UsageExample{
        "bantam convert ./my-bert -o ./bundle --evaluate dev.tsv --min-retention 0.99",
        "Convert, measure every variant on labelled sentences, ship the report; exit code 3 when one lost too much."},
    UsageExample{"bantam convert org/name -o ./bundle --dtype q8,q4f16 --compress gzip",
                 "Convert a model from the local Hugging Face cache to two dtypes, with gzip twins."},
    UsageExample{"bantam convert ./base --adapter ./my-lora -o ./bundle",
                 "Merge a LoRA adapter in float32 on the way."},
    UsageExample{"bantam convert ./my-bert --dtype q4 --dry-run",
                 "Explain what would be written, reading no weight."},
};

Action declare(Options& options) {
  const auto arguments = std::make_shared<Arguments>();
  options.positional(
      "SOURCE", arguments->source,
      "A Hugging Face checkpoint folder (config.json and safetensors or pytorch_model.bin), or a hub id that is in the local cache.",
      {.completes = Completes::kDirectories});
  options.add("-o,--output DIR", arguments->output,
              "The bundle's folder. It appears when everything is done, or not at all.",
              {.completes = Completes::kDirectories});
  options.add(
      "--adapter SOURCE", arguments->adapter,
      "Merge a LoRA adapter first: a folder with adapter_config.json, as PEFT saves it, or a hub id in the local cache.",
      {.completes = Completes::kDirectories});
  options.group("What to make");
  options.add("-d,--dtype LIST", arguments->dtypes,
              "Variants to write, by transformers.js' names. Default: fp32,fp16,q8,q4,q4f16.",
              {.choices = dtype_choices()});
  options.add("--task TASK", arguments->task, "Overrides the task that config.json states.",
              {.choices = task_choices()});
  options.add("--recipe FILE", arguments->recipe,
              "A JSON recipe (schemas/recipe.schema.json). Flags override it.",
              {.completes = Completes::kFiles});
  options.group("Quantization");
  options.add(
      "--block-size N", arguments->block_size,
      "Weights per scale of 4-bit variants: 16, 32 (default), 64, 128 or 256. Smaller loses less and takes more.");
  options.add("--asymmetric", arguments->asymmetric,
              "Give 4-bit blocks zero points: loses less, 4/block more bits per weight, slower on WebGPU.");
  options.add("--embeddings KIND", arguments->embeddings,
              "How quantized embeddings are looked up. Default: fused in q4f16 decoders, portable elsewhere.",
              {.choices = {{"fused", "one GatherBlockQuantized; not on the wasm of transformers.js 4"},
                           {"portable", "operators that every backend has"}}});
  options.add(
      "--no-canonical", arguments->no_canonical,
      "Leave channels as the checkpoint scales them. By default gains, columns and rows that may be rescaled without "
      "changing the model are brought into one scaling first, so that quality does not depend on it.");
  options.add("--method METHOD", arguments->method,
              "How blocks choose codes and scales. Default: gptq with statistics, else search.",
              {.choices = method_choices()});
  options.add("--keep LIST", arguments->keep,
              "Leave tensors whose names match these patterns (*, ?) in floating point.");
  options.add("--keep-role LIST", arguments->keep_roles,
              "Leave all weights of these roles in floating point.", {.choices = role_choices()});
  options.add(
      "--prune-heads SHARE", arguments->prune_heads,
      "Leave out this share of the attention heads (0.2): those whose absence changes the answers to --calibrate's texts "
      "least. Or a list, LAYER:HEAD,HEAD;LAYER:HEAD. Of decoders a head is a group of keys, as many in every layer.");
  options.add(
      "--sparsity SHARE", arguments->sparsity,
      "Set this share of every linear's weights to zero (0.2 to 0.3 is bearable). Files stay as large; compressed ones shrink a "
      "little (docs/quality.md has how much, and at what loss).");
  options.add("--sparsity-method METHOD", arguments->sparsity_method,
              "Which weights become zero. Default: wanda with --calibrate, else magnitude.",
              {.choices = word_choices(sparsity_methods())});
  declare_calibration(options, arguments->calibration);
  declare_budget(options, arguments->budget);
  options.group("Bundle");
  options.add("--target RUNTIME", arguments->target, "What loads the bundle.",
              {.choices = word_choices(targets())});
  options.add("--ops SET", arguments->ops, "Operators of the graphs.",
              {.choices = word_choices(ops_styles())});
  options.add("--shard-size SIZE", arguments->shard_size, "Largest external data file. Default: 32MiB.");
  options.add(
      "--binding-limit SIZE", arguments->binding_limit,
      "Split embeddings and output layers above this by vocabulary: WebGPU promises 128MiB (the default) for one tensor. 0: never.");
  options.add("--compress LIST", arguments->compress, "Pre-compressed twins of large files.",
              {.choices = compression_choices()});
  options.add(
      "--page", arguments->page,
      "Write index.html: a page that loads the model in a browser and shows its answer, speed and size. See bantam serve.");
  options.add("--hash-source", arguments->hash_source, "Record SHA-256 of the source's weight files.");
  options.add("--allow-nonfinite", arguments->allow_nonfinite,
              "Let NaN and infinite weights through into floating-point variants.");
  options.group("Running");
  options.add("--threads N", arguments->threads,
              "Threads. Default: all. The bundle's bytes do not depend on it.", {.min = 1, .max = 1024});
  options.add("--dry-run", arguments->dry_run,
              "Print the plan: every tensor, file, size and the peak memory. Reads no weight.");
  options.add("-f,--force", arguments->force,
              "Replace an existing bundle. Another folder or file is never replaced.");
  options.add("--json", arguments->json, "Print the result (or the plan) as JSON.");
  options.group("Evaluation");
  options.add(
      "--evaluate FILE", arguments->evaluate,
      "Run every variant over these examples before the bundle appears; report.json, report.md and report.html become "
      "part of it, and its README.md states what is left. See bantam evaluate.");
  declare_data(options, arguments->data);
  declare_gates(options, arguments->gates, GatedCommand::kConvert);
  return [arguments](const Console& console) { return run(*arguments, console); };
}

}  // namespace

extern const Command convert_command;
constinit const Command convert_command{
    .name = "convert",
    .summary = "turn a checkpoint into a bundle that browsers load",
    .description =
        "Reads a Hugging Face checkpoint and writes a folder that unmodified transformers.js and onnxruntime-web load: "
        "ONNX graphs with sharded weights in the dtypes you ask for, config.json with the settings that make the defaults "
        "work, the tokenizer, indexes and checksums.\n\n"
        "Weights are read once, in tiles: memory does not grow with the model. The output is the same for any number of "
        "threads, and it appears by one rename: a run that fails or is interrupted leaves nothing behind.",
    .examples = kExamples,
    .declare = declare,
};

}  // namespace bantam
