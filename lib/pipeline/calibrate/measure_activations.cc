#include "pipeline/calibrate/measure_activations.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "pipeline/calibrate/calibrate.h"
#include "pipeline/calibrate/fold_channels.h"
#include "pipeline/calibrate/measured_statistics.h"

namespace bantam {
namespace {

// What the variants want to know: what they cannot do without, and what makes them better where it is at
// hand.
Collected wanted(const Recipe& recipe) {
  Collected collected;
  for (const Variant& variant : recipe.variants) {
    collected.ranges |= variant.static_int8 && !variant.smooth;
    collected.moments |= variant.smooth.has_value();
    const Method method = variant.method.value_or(default_method(true));
    const MethodNeeds needs =
        has_four_bits(variant.dtype) || variant.method ? info(method).needs : MethodNeeds::kNothing;
    collected.moments |= needs != MethodNeeds::kNothing;
    collected.hessians |= needs == MethodNeeds::kHessian;
  }
  return collected;
}

// Calibrates into a file that nobody else sees and that is gone when it is closed.
StatisticsFile calibrate_here(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                              const Collected& collect, Progress& progress) {
  const CalibrationTexts texts =
      load_calibration_texts(checkpoint, model, *recipe.calibrate, recipe.threads, progress);
  CalibrateOptions options;
  options.collect = collect;
  options.threads = recipe.threads;
  options.stats_memory = recipe.stats_memory;
  const StagedFile file(std::filesystem::temp_directory_path() / fmt::format("bantam-{}.stats", ::getpid()),
                        true);
  with_context(checkpoint.directory.string(),
               [&] { calibrate(model, checkpoint.config, texts, options, file.file(), progress); });
  return StatisticsFile::open(file.file().path());
}

// For a plan that is not carried out: everything is known, and nobody asks what.
class MadeUpInput final : public InputStatistics {
 public:
  explicit MadeUpInput(std::int64_t width) : moments_(static_cast<std::size_t>(width), 1.0f) {}
  std::int64_t width() const override { return std::ssize(moments_); }
  std::int64_t samples() const override { return 1; }
  std::span<const float> second_moments() const override { return moments_; }
  std::span<const float> absmax() const override { return {}; }
  float lowest() const override { return 0; }
  float highest() const override { return 0; }
  bool has_hessian() const override { return true; }
  void read_hessian(std::span<float>) const override { BANTAM_ASSERT(false); }

 private:
  std::vector<float> moments_;
};

class MadeUpStatistics final : public Statistics {
 public:
  explicit MadeUpStatistics(const Graph& graph) {
    for (const Weight& weight : graph.weights) {
      inputs_.emplace(weight.name, std::make_shared<MadeUpInput>(weight.source->spec().width()));
    }
  }
  InputStatisticsPtr input_of(std::string_view weight) const override {
    const auto found = inputs_.find(weight);
    return found == inputs_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::string, InputStatisticsPtr, std::less<>> inputs_;
};

ActivationRanges made_up_ranges(const ModelGraph& model) {
  ActivationRanges ranges;
  for (const Weight& weight : model.graph.weights) ranges[weight.name] = {-1, 1};
  return ranges;
}

}  // namespace

void measure_activations(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                         bool run, Measurements& measured, Progress& progress) {
  const Collected collect = wanted(recipe);
  const bool given = !recipe.stats.empty() || recipe.calibrate;
  if (collect.ranges && !given) {
    fail_usage(
        "static INT8 needs to see activations: give texts (--calibrate FILE) or statistics (--stats FILE)");
  }
  for (const Variant& variant : recipe.variants) {
    if (!variant.smooth) continue;
    with_context(checkpoint.directory.string(), [&] { require_smoothable(model.graph, variant); });
    if (!given) {
      fail_usage("{}: smooth needs statistics of the model's activations (--stats or --calibrate)",
                 name(variant.dtype));
    }
    if (variant.static_int8 && !recipe.calibrate) {
      fail_usage(
          "{}: smooth and static together need texts (--calibrate FILE), since ranges are those of the smoothed model",
          name(variant.dtype));
    }
  }
  if (!given || (!collect.ranges && !collect.moments && !collect.hessians)) return;
  std::optional<StatisticsFile> file;
  if (!recipe.stats.empty()) {
    // A plan that is not carried out has not scaled the model, and could not tell.
    file = run ? open_statistics(recipe.stats, model, checkpoint.config) : StatisticsFile::open(recipe.stats);
  } else if (run) {
    file = calibrate_here(recipe, checkpoint, model, collect, progress);
  }
  for (const Variant& variant : recipe.variants) {
    if (!variant.static_int8 || variant.smooth || measured.ranges.contains(variant.static_int8->ranges))
      continue;
    const RangePicker& picker = find_range_picker(variant.static_int8->ranges);
    measured.ranges[variant.static_int8->ranges] =
        file ? pick_ranges(*file, picker, recipe.threads) : made_up_ranges(model);
  }
  if (!file && (collect.moments || collect.hessians)) {
    measured.statistics = std::make_shared<MadeUpStatistics>(model.graph);
  }
  // A file of ranges alone is no reason to fail for variants that can do without more.
  const bool asked = std::ranges::any_of(recipe.variants, [](const Variant& variant) {
    return variant.method.has_value() || variant.smooth.has_value();
  });
  if (file && (collect.moments || collect.hessians) && (asked || file->info().collected.moments)) {
    measured.statistics = measured_statistics(std::move(*file));
  }
}

StatisticsPtr measure_inputs(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                             Progress& progress) {
  return measured_statistics(calibrate_here(recipe, checkpoint, model, {.moments = true}, progress));
}

void measure_smoothed_ranges(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                             bool run, Measurements& measured, Progress& progress) {
  for (const Variant& variant : recipe.variants) {
    if (!variant.static_int8 || !variant.smooth) continue;
    ActivationRanges& ranges = measured.smoothed_ranges[variant.dtype];
    if (!run) {
      ranges = made_up_ranges(model);
      continue;
    }
    const FoldedModel folded = folded_for(variant, model, measured);
    const StatisticsFile file = calibrate_here(recipe, checkpoint, folded.model, {.ranges = true}, progress);
    ranges = pick_ranges(file, find_range_picker(variant.static_int8->ranges), recipe.threads);
  }
}

}  // namespace bantam
