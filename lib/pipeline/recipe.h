#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "convert/architecture.h"
#include "convert/head_pruning.h"
#include "pipeline/calibrate/texts.h"
#include "quantize/variant.h"

namespace bantam {

struct AccuracyGoal;  // pipeline/calibrate/accuracy_control.h
struct Budget;        // pipeline/calibrate/mixed_precision.h
// What loads the bundle: the operators that it has.
enum class Target { kTransformersJs4, kTransformersJs3 };

// Which operators the graphs are made of.
enum class OpsStyle { kFused, kStandard };

template <typename T>
struct Word {
  T value;
  std::string_view name;     // as on the command line and in recipes
  std::string_view summary;  // one line for --help
};
std::span<const Word<Target>> targets();
std::span<const Word<OpsStyle>> ops_styles();
std::string_view name(Target target);
std::string_view name(OpsStyle ops);

// Everything that determines a bundle. The same recipe, source and version give the same bytes.
// Which weights are left out of a row: those that are smallest, or that matter least on calibration's texts.
enum class SparsityMethod : std::uint8_t { kMagnitude, kWanda };
std::span<const Word<SparsityMethod>> sparsity_methods();
std::string_view name(SparsityMethod method);

struct Sparsity {
  double share = 0;  // of every row's weights, above 0 and below 1
  SparsityMethod method = SparsityMethod::kMagnitude;
};

struct Recipe {
  std::string source;            // folder or hub id
  std::string adapter;           // a LoRA adapter to merge into it: folder or hub id; empty: none
  std::filesystem::path output;  // the bundle's folder
  std::optional<Task> task;      // overrides what the checkpoint says
  std::vector<Variant> variants;
  std::int64_t shard_bytes = std::int64_t{32} << 20;
  Target target = Target::kTransformersJs4;
  OpsStyle ops = OpsStyle::kFused;
  std::vector<std::string> compress;  // names of compressions()
  bool canonical = true;              // bring channels into one scaling first (quantize/canonical.h)
  bool allow_nonfinite = false;
  bool hash_source = false;
  // Heads that leave: a share of all that calibration chooses, or a list.
  std::optional<double> prune_fraction;
  HeadPruning prune_list;
  std::optional<Sparsity> sparsity;  // weights that are set to zero (pipeline/prune/leave_weights_out.h)
  // Tables that a variant would store in more bytes are split by rows (pipeline/split_tables.h); 0: none is.
  std::int64_t binding_bytes = std::int64_t{128} << 20;
  bool page = false;  // write index.html, a page that runs the model
  // What calibration found: a file of statistics, or texts to calibrate with. At most one of them.
  std::filesystem::path stats;
  std::optional<CalibrationDataOptions> calibrate;
  std::shared_ptr<const AccuracyGoal> goal;  // what static variants may lose; null: whatever it is

  std::shared_ptr<const Budget> budget;  // what 4-bit variants may take or lose; null: bits by role

  // How, not what: these never change a byte of the bundle.
  std::int64_t stats_memory = 500'000'000;  // what calibration and its methods may hold at once
  int threads = 1;
  bool force = false;
};

// fp32, fp16, q8, q4, q4f16: holds what transformers.js picks by itself on wasm (q8) and on WebGPU (fp32).
std::vector<DtypeName> default_dtypes();

// Applies a recipe file (schemas/recipe.schema.json) on top of `recipe`; unknown keys and bad values are
// usage errors that name file and place: "r.json: variants[0].block_size: 33 where ...".
void apply_recipe_file(const std::filesystem::path& path, Recipe& recipe);
// The part of a recipe that determines bytes, as a recipe file would hold it.
Json recipe_json(const Recipe& recipe);

// What --prune-heads says: "0.2" or "0:1,3;2:0". Usage error for anything else.
void set_prune_heads(std::string_view text, Recipe& recipe);

// Usage errors for values that make no sense (no dtype, a dtype twice, block size, ...).
void check_recipe(const Recipe& recipe);

}  // namespace bantam
