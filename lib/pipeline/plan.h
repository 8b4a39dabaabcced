#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "convert/architecture.h"
#include "convert/checkpoint.h"
#include "graph/graph.h"
#include "pipeline/forecast/forecast.h"
#include "pipeline/recipe.h"
#include "pipeline/report/budget_frontier.h"
#include "pipeline/tokenizer_files.h"
#include "quantize/canonical.h"
#include "quantize/fold.h"
#include "quantize/quantize.h"
#include "shard/layout.h"
#include "shard/write.h"

namespace bantam {

// What was measured over weight bytes and by calibration before planning; empty when nothing needed it.
struct Measurements {
  CanonicalSources canonical;
  std::map<const TensorSource*, float> max_abs;
  StatisticsPtr statistics;               // of the linears' inputs
  std::map<DtypeName, Folding> foldings;  // of variants that ask for one
  std::map<std::string, ActivationRanges, std::less<>>
      ranges;  // by the name of the picker, as variants have it
  std::map<DtypeName, ActivationRanges>
      smoothed_ranges;  // of static variants that are smoothed: of what they read then
};

// The ranges of a static variant.
const ActivationRanges& ranges_of(const Measurements& measured, const Variant& variant);

struct PlannedVariant {
  Variant variant;
  Graph graph;
  Layout layout;
  std::string onnx;  // the serialized .onnx file
};

// What a variant is made of: the float model in the scaling, and with the foldings, that were measured for
// it.
Graph rescaled(const Graph& model, const Variant& variant, const Measurements& measured);

// One variant of a float model, in its canonical scaling if that was measured. `notes` get what a user should
// know.
PlannedVariant plan_variant(const Graph& model, const Variant& variant, const Recipe& recipe,
                            const Measurements& measured, const FactorCachePtr& factors,
                            std::vector<std::string>& notes);
// Bytes of its session file and shards: what a page downloads.
std::int64_t payload_bytes(const PlannedVariant& variant);

// Everything that will be written, with every offset and size, before any weight byte moves.
struct Plan {
  Recipe recipe;
  Checkpoint checkpoint;
  ModelGraph model;
  std::vector<PlannedVariant> variants;
  std::vector<SmallFile> small_files;  // tokenizer and other files of the checkpoint, and those made for it
  std::string config;                  // config.json with transformers.js_config
  std::vector<std::string> notes;
  std::vector<BudgetFrontier> frontiers = {};  // of variants whose bits a budget chose

  // The variant that transformers.js loads on wasm when the page asks for nothing; tensor-cache.json
  // describes it.
  const PlannedVariant& default_variant() const;
  std::vector<WriteTarget> write_targets(const std::filesystem::path& onnx_directory) const;
};

// How a planned weight is stored: "float16", "int4/block=32/symmetric/search".
std::string encoding(const Weight& weight);

struct PlannedFile {
  std::string name;  // relative to the bundle
  std::int64_t bytes = 0;
  bool exact = true;  // false: depends on the data; bytes is an upper bound
};

Plan make_plan(const Recipe& recipe, Checkpoint checkpoint, ModelGraph model, const Measurements& measured);

// Elements of the model's weights; a tensor that serves twice counts once.
std::int64_t parameter_count(const Plan& plan);
// Every file of the bundle with its size.
std::vector<PlannedFile> planned_files(const Plan& plan);
// What each variant will take in a browser, in the order of variants.
std::vector<Forecast> forecasts(const Plan& plan);
// Upper bound of heap memory while weights are written, in bytes. What runs the float model before that needs
// it in memory.
std::int64_t memory_bound(const Plan& plan);

// Every tensor, its dtype before and after, every file, peak memory, as JSON text: what --dry-run --json
// prints.
std::string plan_json(const Plan& plan);

}  // namespace bantam
