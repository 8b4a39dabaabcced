#include "calibration_flags.h"

#include "base/error.h"
#include "calibrate/ranges/range_picker.h"
#include "pipeline/calibrate/accuracy_control.h"

namespace bantam {

void declare_calibration(Options& options, CalibrationFlags& flags) {
  options.group("Calibration");
  options.add(
      "--calibrate FILE", flags.texts,
      "Run the float model over these texts first, for what needs to know activations; self: texts that a decoder writes "
      "itself. See bantam calibrate.");
  options.add("--stats FILE", flags.stats, "The same from a file that bantam calibrate wrote.");
  options.add("--stats-memory SIZE", flags.stats_memory,
              "Memory for what calibration and methods keep of layers. Default: 500MB.");
  options.add(
      "--static", flags.static_int8,
      "q8 and int8: ranges of activations come from calibration, not from each input. Results then do not depend on "
      "what else is in the batch.");
  std::vector<Choice> pickers;
  for (const RangePicker& picker : range_pickers()) {
    pickers.push_back({std::string(picker.name), std::string(picker.summary)});
  }
  options.add("--ranges NAME", flags.ranges, "How static ranges are chosen. Default: the first.",
              {.choices = std::move(pickers)});
  options.add("--quant-format NAME", flags.format, "How the graph says that it is static. Default: qdq.",
              {.choices = {{"qdq", "QuantizeLinear and DequantizeLinear, which runtimes fuse"},
                           {"qoperator", "com.microsoft.MatMulIntegerToFloat"}}});
  options.add(
      "--smooth ALPHA", flags.smooth,
      "q8, int8 and uint8: rescale the channels between norms and linears, so that large activations become weights' "
      "business (SmoothQuant); above 0 and at most 1, 0.5 in the paper. For models with norms before their layers. "
      "With --static it needs --calibrate.");
  options.add(
      "--max-drop X", flags.max_drop,
      "Put the linears that hurt most back to float until a static variant loses at most so much of the score of "
      "--evaluate's examples (else of --calibrate's); without labels, of KL divergence.");
}

namespace {

void apply_smoothing(const CalibrationFlags& flags, Recipe& recipe) {
  if (!flags.smooth) return;
  bool any = false;
  for (Variant& variant : recipe.variants) {
    if (!quantizes_activations(variant.dtype)) continue;
    variant.smooth = *flags.smooth;
    any = true;
  }
  if (!any) fail_usage("--smooth: none of the dtypes quantizes activations; q8, int8 and uint8 do");
}

}  // namespace

void apply_calibration(const CalibrationFlags& flags, const DataOptions& data,
                       const std::optional<std::filesystem::path>& evaluate, Recipe& recipe) {
  if (flags.texts) {
    recipe.calibrate = calibration_data(data, *flags.texts);
    recipe.stats.clear();
  }
  if (flags.stats) recipe.stats = *flags.stats;
  if (flags.stats_memory) recipe.stats_memory = flags.stats_memory->bytes;
  bool any = false;
  for (Variant& variant : recipe.variants) {
    const bool can = variant.dtype == DtypeName::kQ8 || variant.dtype == DtypeName::kInt8;
    if (flags.static_int8 && can && !variant.static_int8) variant.static_int8.emplace();
    if (!variant.static_int8) continue;
    any = true;
    if (flags.ranges) variant.static_int8->ranges = *flags.ranges;
    if (flags.format) {
      variant.static_int8->format = *flags.format == "qdq" ? QuantFormat::kQdq : QuantFormat::kQOperator;
    }
  }
  if (flags.static_int8 && !any)
    fail_usage("--static: none of the dtypes has a static form; q8 and int8 have one");
  if ((flags.ranges || flags.format || flags.max_drop) && !any) {
    fail_usage("--ranges, --quant-format and --max-drop are for --static");
  }
  apply_smoothing(flags, recipe);
  if (!flags.max_drop) return;
  if (!(*flags.max_drop > 0)) fail_usage("--max-drop {}: a number above 0 was expected", *flags.max_drop);
  if (!evaluate && !flags.texts)
    fail_usage("--max-drop needs examples to judge by: --evaluate FILE or --calibrate FILE");
  recipe.goal = std::make_shared<AccuracyGoal>(
      AccuracyGoal{*flags.max_drop, evaluation_data(data, evaluate ? *evaluate : *flags.texts)});
}

}  // namespace bantam
