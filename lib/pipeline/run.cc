#include "pipeline/run.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/units.h"
#include "convert/lora/adapter.h"
#include "pipeline/bundle_files.h"
#include "pipeline/calibrate/accuracy_control.h"
#include "pipeline/calibrate/fold_channels.h"
#include "pipeline/calibrate/measure_activations.h"
#include "pipeline/calibrate/mixed_precision.h"
#include "pipeline/digest_files.h"
#include "pipeline/measure.h"
#include "pipeline/model_card.h"
#include "pipeline/prune/leave_weights_out.h"
#include "pipeline/prune/prune_heads.h"
#include "pipeline/report/write_report.h"
#include "pipeline/split_tables.h"
#include "quantize/policy.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

void check_apart(const fs::path& source_folder, const fs::path& output) {
  // Absolute first: of a relative path of which nothing exists, weakly_canonical() makes nothing.
  const fs::path source = fs::weakly_canonical(fs::absolute(source_folder));
  const fs::path target = fs::weakly_canonical(fs::absolute(output));
  const auto inside = [](const fs::path& inner, const fs::path& outer) {
    return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
  };
  if (inside(source, target)) {
    fail("{}: the source {} lies inside the output; choose another output", target.string(), source.string());
  }
  if (inside(target, source)) {
    fail("{}: lies inside the source {}; choose another output", target.string(), source.string());
  }
}

// --force is for bundles: a mistyped output must not cost somebody's documents.
void check_replaceable(const Recipe& recipe) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(recipe.output, error);
  if (!recipe.force || !fs::exists(status)) return;
  const std::string where = recipe.output.string();
  if (!fs::is_directory(recipe.output, error)) fail("{}: is no folder; --force replaces bundles only", where);
  if (!fs::is_empty(recipe.output, error) && !fs::exists(recipe.output / "bantam.json", error))
    fail("{}: has files, and no bantam.json among them; --force replaces bundles only", where);
}

void check_space(const Plan& plan, const fs::path& directory) {
  struct statvfs status {};
  if (::statvfs(directory.c_str(), &status) != 0) return;  // not every file system tells
  std::int64_t needed = 0;
  for (const PlannedFile& file : planned_files(plan)) needed += file.exact ? file.bytes : 0;
  const auto free = static_cast<std::int64_t>(status.f_bavail) * static_cast<std::int64_t>(status.f_frsize);
  if (free < needed) {
    throw_error(ErrorCode::kIo,
                fmt::format("{}: {} are free and {} are needed", directory.parent_path().string(),
                            format_bytes(free), format_bytes(needed)));
  }
}

// What open_bundle() will say of the bundle, before its manifest is there.
BundleModel written_bundle(const Plan& plan, const fs::path& root) {
  Inspection contents;
  contents.kind = InspectedKind::kBundle;
  contents.family = plan.model.family;
  contents.task = name(plan.model.task);
  contents.parameters = parameter_count(plan);
  contents.canonical = plan.recipe.canonical;
  contents.default_dtype = name(plan.default_variant().variant.dtype);
  for (const PlannedVariant& planned : plan.variants) {
    InspectedVariant variant;
    variant.dtype = name(planned.variant.dtype);
    variant.file = "onnx/" + planned.layout.onnx_name;
    variant.bytes = std::ssize(planned.onnx);
    for (const ShardFile& shard : planned.layout.shards) variant.bytes += shard.bytes;
    for (const Node& node : planned.graph.nodes) variant.graph.ops.push_back({node.domain, node.type, 1});
    contents.variants.push_back(std::move(variant));
  }
  const fs::path output = fs::absolute(plan.recipe.output).lexically_normal();
  const fs::path folder = output.has_filename() ? output : output.parent_path();
  return {root, folder.filename().string(), std::move(contents), Config::read(root / "config.json"),
          plan.model.task};
}

class BundleWriter {
 public:
  BundleWriter(const Plan& plan, Progress& progress, const Judge& judge)
      : plan_(plan),
        progress_(progress),
        judge_(judge),
        staged_(plan.recipe.output, plan.recipe.force),
        root_(staged_.path()) {}

  BundleResult run() {
    check_space(plan_, root_);
    fs::create_directory(root_ / "onnx");
    write_shards();
    write_text_files();
    if (judge_) judge();
    std::vector<FileEntry> files = hash_payload();
    compress(files);
    finish(files);
    check_cancelled();
    staged_.commit();
    return {std::move(files), std::move(manifest_), std::move(report_)};
  }

 private:
  void write_shards() {
    const std::vector<WriteTarget> targets = plan_.write_targets(root_ / "onnx");
    WriteOptions options;
    options.threads = plan_.recipe.threads;
    options.allow_nonfinite = plan_.recipe.allow_nonfinite;
    progress_.begin("encode", write_read_bytes(targets, options));
    with_context(plan_.checkpoint.directory.string(), [&] { write_weights(targets, options, progress_); });
    for (const PlannedVariant& variant : plan_.variants) {
      write_text_file(root_ / "onnx" / variant.layout.onnx_name, variant.onnx);
    }
  }

  void write_text_files() {
    write_text_file(root_ / "config.json", plan_.config);
    for (const SmallFile& file : plan_.small_files) {
      const fs::path to = root_ / file.name;
      fs::create_directories(to.parent_path());
      const std::string text = file.copy_of.empty() ? file.text : read_text_file(file.copy_of, file.bytes);
      if (std::ssize(text) != file.bytes)
        fail("{}: changed while it was copied; try again", file.copy_of.string());
      write_text_file(to, text);
    }
  }

  // Runs the files that were written, as they will be shipped, and says in the bundle what it found.
  void judge() {
    report_ = judge_(written_bundle(plan_, root_));
    report_->frontiers = plan_.frontiers;
    write_report(*report_, root_);
    replace_text_file(root_ / kModelCard, model_card(plan_, &*report_));
  }

  // The files whose bytes are known before, and those of the judgement.
  std::vector<FileEntry> written_files() const {
    std::vector<FileEntry> files = payload_files(plan_);
    if (!report_) return files;
    for (const std::string_view name : kReportFiles) files.push_back({std::string(name), 0, {}});
    for (FileEntry& file : files) {
      const bool judged =
          file.name == kModelCard || std::ranges::find(kReportFiles, file.name) != kReportFiles.end();
      if (judged) file.bytes = static_cast<std::int64_t>(fs::file_size(root_ / file.name));
    }
    return files;
  }

  // Digests of everything but the indexes, which hold the shards' digests and are written here.
  std::vector<FileEntry> hash_payload() {
    std::vector<FileEntry> files = written_files();
    std::vector<fs::path> paths;
    std::vector<FileEntry*> hashed;
    std::int64_t bytes = 0;
    for (FileEntry& file : files) {
      if (file.name.starts_with("tensor-cache")) continue;
      paths.push_back(root_ / file.name);
      hashed.push_back(&file);
      bytes += file.bytes;
    }
    progress_.begin("hash", bytes);
    const std::vector<FileDigests> digests = digest_files(paths, plan_.recipe.threads, progress_);
    std::map<std::string, std::string> md5;
    for (std::size_t i = 0; i < hashed.size(); ++i) {
      hashed[i]->sha256 = digests[i].sha256;
      hashed[i]->chunks = digests[i].chunks;
      md5[hashed[i]->name] = digests[i].md5;
    }
    std::vector<std::vector<std::string>> shard_md5;
    for (const PlannedVariant& variant : plan_.variants) {
      auto& list = shard_md5.emplace_back();
      for (const ShardFile& shard : variant.layout.shards) list.push_back(md5.at("onnx/" + shard.name));
    }
    for (const TextFile& index : index_files(plan_, shard_md5)) {
      write_text_file(root_ / index.name, index.text);
      const auto found =
          std::find_if(files.begin(), files.end(), [&](const FileEntry& f) { return f.name == index.name; });
      BANTAM_ASSERT(found != files.end() && found->bytes == std::ssize(index.text));
      found->sha256 = sha256_hex(std::as_bytes(std::span(index.text)));
    }
    return files;
  }

  void compress(std::vector<FileEntry>& files) {
    struct Twin {
      Compression compression;
      std::string from;
    };
    std::vector<Twin> twins;
    std::int64_t bytes = 0;
    for (const FileEntry& file : files) {
      for (const Compression& compression : wanted_compressions(plan_, file.name)) {
        twins.push_back({compression, file.name});
        bytes += file.bytes;
      }
    }
    if (twins.empty()) return;
    progress_.begin("compress", bytes);
    std::vector<FileEntry> made(twins.size());
    parallel_for(std::ssize(twins), plan_.recipe.threads, [&](std::int64_t i, int) {
      const Twin& twin = twins[static_cast<std::size_t>(i)];
      FileEntry& entry = made[static_cast<std::size_t>(i)];
      entry.name = twin.from + std::string(twin.compression.extension);
      twin.compression.compress(root_ / twin.from, root_ / entry.name);
      entry.bytes = static_cast<std::int64_t>(fs::file_size(root_ / entry.name));
      progress_.advance(static_cast<std::int64_t>(fs::file_size(root_ / twin.from)));
    });
    std::vector<fs::path> paths;
    for (const FileEntry& entry : made) paths.push_back(root_ / entry.name);
    const std::vector<FileDigests> digests = digest_files(paths, plan_.recipe.threads, silent_progress());
    for (std::size_t i = 0; i < made.size(); ++i) {
      made[i].sha256 = digests[i].sha256;
      made[i].chunks = digests[i].chunks;
    }
    files.insert(files.end(), made.begin(), made.end());
  }

  void finish(std::vector<FileEntry>& files) {
    const auto by_name = [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; };
    std::sort(files.begin(), files.end(), by_name);
    std::vector<SourceDigest> source;
    if (plan_.recipe.hash_source) source = hash_source(plan_.checkpoint.directory, plan_.checkpoint.files);
    std::vector<SourceDigest> adapter;
    if (const auto& merged = plan_.checkpoint.adapter)
      adapter = hash_source(merged->directory, merged->files);
    manifest_ = to_pretty_json(manifest(plan_, files, source, adapter));
    add_text(files, "bantam.json", manifest_);
    std::string sums = sha256sums(files);
    write_text_file(root_ / "SHA256SUMS", sums);
    files.push_back({"SHA256SUMS", std::ssize(sums), sha256_hex(std::as_bytes(std::span(sums)))});
    std::sort(files.begin(), files.end(), by_name);
    sync_files(files);
  }

  // Everything is on the device before the rename makes it visible.
  void sync_files(const std::vector<FileEntry>& files) {
    parallel_for(std::ssize(files), plan_.recipe.threads, [&](std::int64_t i, int) {
      File::open_read(root_ / files[static_cast<std::size_t>(i)].name).sync();
    });
    sync_directory(root_ / "onnx");
  }

  std::vector<SourceDigest> hash_source(const fs::path& directory, const std::vector<SourceFile>& files) {
    std::vector<fs::path> paths;
    for (const SourceFile& file : files) paths.push_back(directory / file.name);
    progress_.begin("hash source", 0);
    const std::vector<FileDigests> digests = digest_files(paths, plan_.recipe.threads, progress_);
    std::vector<SourceDigest> source;
    for (std::size_t i = 0; i < paths.size(); ++i) source.push_back({files[i].name, digests[i].sha256});
    return source;
  }

  void add_text(std::vector<FileEntry>& files, const std::string& name, const std::string& text) {
    write_text_file(root_ / name, text);
    files.push_back({name, std::ssize(text), sha256_hex(std::as_bytes(std::span(text)))});
  }

  const Plan& plan_;
  Progress& progress_;
  const Judge& judge_;
  StagedDirectory staged_;
  fs::path root_;
  std::string manifest_;
  std::optional<Report> report_;
};

// The most bytes that a variant stores an element of a table in. All variants share the slices.
std::int64_t widest_element(const Recipe& recipe) {
  std::int64_t widest = 1;
  for (const Variant& variant : recipe.variants) {
    const bool floats =
        variant.dtype == DtypeName::kFp32 || variant.dtype == DtypeName::kFp16 ||
        std::any_of(variant.rules.begin(), variant.rules.end(), [](const Rule& rule) { return rule.keep; });
    if (floats) widest = std::max<std::int64_t>(widest, info(variant.dtype).half ? 2 : 4);
  }
  return widest;
}

}  // namespace

Plan plan_bundle(const Recipe& wanted, bool measure_weights, Progress& progress) {
  Recipe recipe = wanted;
  check_recipe(recipe);
  Checkpoint checkpoint = open_checkpoint(recipe.source);
  if (!recipe.adapter.empty()) merge_adapter(checkpoint, recipe.adapter);
  ModelGraph model = build_model(checkpoint, recipe.task);
  if (recipe.prune_fraction || recipe.prune_list.count() > 0) {
    model = leave_heads_out(recipe, checkpoint, std::move(model), measure_weights, progress);
  }
  if (recipe.sparsity) {
    leave_weights_out(recipe, checkpoint, model, measure_weights, progress);
    // GPTQ, the default with statistics, would fill the zeros again.
    for (Variant& variant : recipe.variants) {
      if (has_four_bits(variant.dtype) && !variant.method && recipe.calibrate)
        variant.method = Method::kWeighted;
    }
  }
  if (recipe.binding_bytes > 0) {
    split_tables(model.graph, widest_element(recipe), recipe.binding_bytes, model.notes);
  }
  Measurements measured;
  if (measure_weights) {
    // Rules that match nothing are found before a byte is read.
    for (const Variant& variant : recipe.variants) {
      with_context(name(variant.dtype), [&] { decide(model.graph, find_uses(model.graph), variant); });
    }
    measured = with_context(checkpoint.directory.string(), [&] { return measure(recipe, model, progress); });
  }
  // What quantized variants are made of, and what they read: in one scaling.
  const ModelGraph scaled{
      measured.canonical.apply(model.graph, CanonicalForm::kFull), model.task, model.family, {}};
  measure_activations(recipe, checkpoint, scaled, measure_weights, measured, progress);
  if (measure_weights) {
    fold_channels(recipe, scaled, measured, progress);
    if (!measured.foldings.empty()) measure_halves(recipe, model, measured, progress);
  }
  measure_smoothed_ranges(recipe, checkpoint, scaled, measure_weights, measured, progress);
  std::vector<BudgetFrontier> frontiers;
  for (Variant& variant : recipe.variants) {
    if (!recipe.budget || !has_four_bits(variant.dtype)) continue;
    if (!measure_weights) {
      model.notes.push_back(fmt::format(
          "{}: the run will choose bits for the budget; the plan has the default ones", name(variant.dtype)));
      continue;
    }
    const FoldedModel folded = folded_for(variant, scaled, measured);
    FittedBudget fitted = fit_budget(recipe, checkpoint, folded.model, folded.measured, variant, progress);
    model.notes.insert(model.notes.end(), fitted.notes.begin(), fitted.notes.end());
    frontiers.push_back(std::move(fitted.frontier));
  }
  for (Variant& variant : recipe.variants) {
    if (!recipe.goal || !variant.static_int8 || !measure_weights) continue;
    const FoldedModel folded = folded_for(variant, scaled, measured);
    for (std::string& note :
         control_accuracy(recipe, checkpoint, folded.model, folded.measured, variant, progress)) {
      model.notes.push_back(std::move(note));
    }
  }
  Plan plan = make_plan(recipe, std::move(checkpoint), std::move(model), measured);
  plan.frontiers = std::move(frontiers);
  return plan;
}

void check_output(const Recipe& recipe) {
  check_apart(resolve_source(recipe.source), recipe.output);
  if (!recipe.adapter.empty()) check_apart(resolve_source(recipe.adapter), recipe.output);
  check_replaceable(recipe);
  const StagedDirectory probe(recipe.output, recipe.force);
}

BundleResult write_bundle(const Plan& plan, Progress& progress, const Judge& judge) {
  check_apart(plan.checkpoint.directory, plan.recipe.output);
  if (plan.checkpoint.adapter) check_apart(plan.checkpoint.adapter->directory, plan.recipe.output);
  check_replaceable(plan.recipe);
  return BundleWriter(plan, progress, judge).run();
}

}  // namespace bantam
