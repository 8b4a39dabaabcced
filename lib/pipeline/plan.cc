#include "pipeline/plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "graph/onnx_export.h"
#include "pipeline/bundle_config.h"
#include "pipeline/bundle_files.h"
#include "pipeline/digest_files.h"
#include "pipeline/manifest.h"
#include "pipeline/model_card.h"
#include "pipeline/page/self_test_page.h"
#include "pipeline/prune/prune_heads.h"
#include "pipeline/target.h"
#include "shard/compress.h"

namespace bantam {

const ActivationRanges& ranges_of(const Measurements& measured, const Variant& variant) {
  BANTAM_ASSERT(variant.static_int8);
  return variant.smooth ? measured.smoothed_ranges.at(variant.dtype)
                        : measured.ranges.at(variant.static_int8->ranges);
}

Graph rescaled(const Graph& model, const Variant& variant, const Measurements& measured) {
  const Graph scaled = measured.canonical.apply(model, canonical_form(variant));
  const auto folding = measured.foldings.find(variant.dtype);
  return folding == measured.foldings.end() ? scaled : folding->second.apply(scaled);
}

PlannedVariant plan_variant(const Graph& model, const Variant& variant, const Recipe& recipe,
                            const Measurements& measured, const FactorCachePtr& factors,
                            std::vector<std::string>& notes) {
  const MaxAbs max_abs = [&](const TensorSource& source) -> std::optional<float> {
    const auto found = measured.max_abs.find(&source);
    if (found == measured.max_abs.end()) return std::nullopt;
    return found->second;
  };
  Calibrated calibrated{measured.statistics, factors};
  if (variant.static_int8) calibrated.ranges = ranges_of(measured, variant);
  if (const auto folding = measured.foldings.find(variant.dtype); folding != measured.foldings.end()) {
    calibrated.statistics = folding->second.statistics;
    for (const std::string& note : folding->second.notes)
      notes.push_back(fmt::format("{}: {}", name(variant.dtype), note));
  }
  const Graph scaled = rescaled(model, variant, measured);
  QuantizedGraph quantized = quantize(scaled, fit_to_target(variant, recipe), max_abs, calibrated);
  PlannedVariant planned{variant, std::move(quantized.graph), {}, {}};
  for (const std::string& note : quantized.notes)
    notes.push_back(fmt::format("{}: {}", name(variant.dtype), note));
  with_context(name(variant.dtype), [&] { fit_to_target(planned.graph, recipe); });
  planned.layout =
      lay_out(planned.graph, fmt::format("model{}.onnx", info(variant.dtype).suffix), recipe.shard_bytes);
  notes.insert(notes.end(), planned.layout.notes.begin(), planned.layout.notes.end());
  planned.onnx = export_onnx(planned.graph, tool_version(), [&](std::size_t weight, std::size_t part) {
    const PartPlace& place = planned.layout.places[weight][part];
    return ExternalLocation{planned.layout.shards[place.shard].name, place.offset, place.bytes};
  });
  return planned;
}

std::int64_t payload_bytes(const PlannedVariant& variant) {
  std::int64_t bytes = std::ssize(variant.onnx);
  for (const ShardFile& shard : variant.layout.shards) bytes += shard.bytes;
  return bytes;
}

namespace {

// Half-precision graphs read and write float32, but for what only goes round.
bool has_half_cache(const Graph& graph) {
  return std::any_of(graph.inputs.begin(), graph.inputs.end(),
                     [&](ValueId id) { return graph.value(id).dtype == DType::kF16; });
}

}  // namespace

const PlannedVariant& Plan::default_variant() const {
  std::vector<SessionFile> sessions;
  for (const PlannedVariant& variant : variants) sessions.push_back({variant.variant.dtype, &variant.layout});
  const DtypeName wanted = default_dtype_wasm(sessions);
  for (const PlannedVariant& variant : variants) {
    if (variant.variant.dtype == wanted) return variant;
  }
  BANTAM_ASSERT(false);
}

std::vector<WriteTarget> Plan::write_targets(const std::filesystem::path& onnx_directory) const {
  std::vector<WriteTarget> targets;
  for (const PlannedVariant& variant : variants)
    targets.push_back({&variant.graph, &variant.layout, onnx_directory});
  return targets;
}

Plan make_plan(const Recipe& recipe, Checkpoint checkpoint, ModelGraph model, const Measurements& measured) {
  Plan plan{recipe, std::move(checkpoint), std::move(model), {}, {}, {}, {}};
  plan.notes = plan.model.notes;
  const auto factors = std::make_shared<FactorCache>(recipe.stats_memory);
  for (const Variant& variant : recipe.variants) {
    plan.variants.push_back(plan_variant(plan.model.graph, variant, recipe, measured, factors, plan.notes));
  }
  plan.small_files = collect_small_files(plan.checkpoint, plan.notes);
  std::vector<SessionFile> sessions;
  for (const PlannedVariant& variant : plan.variants)
    sessions.push_back({variant.variant.dtype, &variant.layout, has_half_cache(variant.graph)});
  // The source's own card, if any, is kept beside ours under another name by collect_small_files().
  std::erase_if(plan.small_files, [](const SmallFile& file) { return file.name == kModelCard; });
  SmallFile card{std::string(kModelCard), {}, model_card(plan, nullptr), 0};
  card.bytes = std::ssize(card.text);
  plan.small_files.push_back(std::move(card));
  if (recipe.page) {
    std::erase_if(plan.small_files, [](const SmallFile& file) { return file.name == kSelfTestPage; });
    SmallFile page{std::string(kSelfTestPage), {}, self_test_page(plan), 0};
    page.bytes = std::ssize(page.text);
    plan.small_files.push_back(std::move(page));
  }
  Json config = with_transformers_js_config(plan.checkpoint.config.json(), sessions, plan.model.task);
  state_pruned_heads(plan.checkpoint, plan.model, config);
  fit_to_target(config, plan.model.graph, recipe);
  plan.config = to_pretty_json(config);
  return plan;
}

std::string encoding(const Weight& weight) {
  const std::string key = weight.codec->key();
  return key == float_codec()->key() ? std::string(name(weight.parts.at(0).stored)) : key;
}

std::int64_t parameter_count(const Plan& plan) {
  std::int64_t count = 0;
  for (const Weight& weight : plan.model.graph.weights) count += element_count(weight.source->spec().shape);
  return count;
}

std::int64_t memory_bound(const Plan& plan) {
  // Graphs, indexes and the process itself, beside the tiles of the writer.
  constexpr std::int64_t kFixed = std::int64_t{24} << 20;
  const std::vector<WriteTarget> targets = plan.write_targets({});
  return kFixed + write_memory_bound(targets, {.threads = plan.recipe.threads});
}

std::vector<Forecast> forecasts(const Plan& plan) {
  std::int64_t other = std::ssize(plan.config);
  for (const SmallFile& file : plan.small_files) other += fetched_with_all(file.name) ? file.bytes : 0;
  std::vector<Forecast> result;
  for (const PlannedVariant& variant : plan.variants) {
    ForecastInput input{std::string(name(variant.variant.dtype)),
                        {&variant.graph},
                        {std::ssize(variant.onnx)},
                        other,
                        plan.model.task == Task::kTextGeneration};
    for (const ShardFile& shard : variant.layout.shards) input.file_bytes.push_back(shard.bytes);
    result.push_back(forecast(input));
  }
  return result;
}

std::vector<PlannedFile> planned_files(const Plan& plan) {
  const bool known = plan.recipe.compress.empty() && !plan.recipe.hash_source;
  std::vector<FileEntry> entries = payload_files(plan);
  const std::string digest(64, '0');
  const auto chunks = [&](std::int64_t bytes) {
    return std::vector<std::string>(static_cast<std::size_t>(chunk_count(bytes)), digest);
  };
  for (FileEntry& entry : entries) {
    entry.sha256 = digest;
    entry.chunks = chunks(entry.bytes);
  }
  std::vector<PlannedFile> files;
  std::vector<FileEntry> twins;
  for (const FileEntry& entry : entries) {
    files.push_back({entry.name, entry.bytes, true});
    for (const Compression& compression : wanted_compressions(plan, entry.name)) {
      const std::int64_t bound = compression.bound(entry.bytes);
      files.push_back({entry.name + std::string(compression.extension), bound, false});
      twins.push_back({entry.name + std::string(compression.extension), bound, digest, chunks(bound)});
    }
  }
  entries.insert(entries.end(), twins.begin(), twins.end());
  const auto unknown = [&](const std::vector<SourceFile>& hashed) {
    std::vector<SourceDigest> digests;
    for (const SourceFile& file : hashed) digests.push_back({file.name, digest});
    return digests;
  };
  std::vector<SourceDigest> source, adapter;
  if (plan.recipe.hash_source) source = unknown(plan.checkpoint.files);
  if (plan.checkpoint.adapter) adapter = unknown(plan.checkpoint.adapter->files);
  const std::string json = to_pretty_json(manifest(plan, entries, source, adapter));
  files.push_back({"bantam.json", std::ssize(json), known || plan.recipe.compress.empty()});
  entries.push_back({"bantam.json", std::ssize(json), digest});
  files.push_back({"SHA256SUMS", std::ssize(sha256sums(entries)), true});
  std::sort(files.begin(), files.end(),
            [](const PlannedFile& a, const PlannedFile& b) { return a.name < b.name; });
  return files;
}

std::string plan_json(const Plan& plan) {
  Json files = Json::array();
  std::int64_t total = 0;
  for (const PlannedFile& file : planned_files(plan)) {
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"exact", file.exact}});
    total += file.bytes;
  }
  Json body = manifest(plan, {}, {}, {});
  for (const char* of_written : {"files", "chunk_bytes"}) body.erase(of_written);
  Json by_dtype = Json::object();
  for (const Forecast& entry : forecasts(plan)) by_dtype[entry.dtype] = forecast_json(entry);
  body["plan"] = {{"files", std::move(files)},
                  {"bytes", total},
                  {"peak_memory_bytes", memory_bound(plan)},
                  {"forecasts", std::move(by_dtype)}};
  return to_pretty_json(body);
}

}  // namespace bantam
