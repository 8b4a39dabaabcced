#include "pipeline/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "pipeline/digest_files.h"

namespace bantam {
namespace {

// What the checkpoint stores, whatever the writer reads in its place.
DType source_dtype(const Graph& model, const Weight& weight) {
  const auto found = std::find_if(model.weights.begin(), model.weights.end(),
                                  [&](const Weight& candidate) { return candidate.name == weight.name; });
  return (found == model.weights.end() ? weight : *found).source->spec().dtype;
}

Json tensor_entry(const Graph& model, const PlannedVariant& variant, std::size_t index) {
  const Weight& weight = variant.graph.weights[index];
  Json parts = Json::array();
  std::int64_t bytes = 0;
  for (std::size_t p = 0; p < weight.parts.size(); ++p) {
    const PartPlace& place = variant.layout.places[index][p];
    bytes += place.bytes;
    parts.push_back({{"name", variant.graph.value(weight.parts[p].values[0]).name},
                     {"dtype", std::string(name(weight.parts[p].stored))},
                     {"shape", weight.parts[p].shapes[0]},
                     {"file", "onnx/" + variant.layout.shards[place.shard].name},
                     {"offset", place.offset},
                     {"bytes", place.bytes}});
  }
  return {{"name", weight.name},
          {"role", std::string(name(weight.role))},
          {"source_dtype", std::string(name(source_dtype(model, weight)))},
          {"shape", weight.source->spec().shape},
          {"encoding", encoding(weight)},
          {"bytes", bytes},
          {"parts", std::move(parts)}};
}

Json source_files(const std::vector<SourceFile>& files, const std::vector<SourceDigest>& digests) {
  Json list = Json::array();
  for (const SourceFile& file : files) {
    Json entry = {{"name", file.name}, {"bytes", file.bytes}};
    std::string digest = file.sha256;
    for (const SourceDigest& known : digests) {
      if (known.name == file.name && !known.sha256.empty()) digest = known.sha256;
    }
    if (!digest.empty()) entry["sha256"] = digest;
    list.push_back(std::move(entry));
  }
  return list;
}

Json source_json(const Checkpoint& checkpoint, const std::vector<SourceDigest>& source,
                 const std::vector<SourceDigest>& adapter) {
  Json json = {{"tensors", checkpoint.tensors.size()}, {"files", source_files(checkpoint.files, source)}};
  if (const auto& merged = checkpoint.adapter) {
    json["adapter"] = {{"name", public_name(merged->source, merged->directory)},
                       {"changed", merged->changed},
                       {"added", merged->added},
                       {"files", source_files(merged->files, adapter)}};
  }
  return json;
}

}  // namespace

std::string public_name(const std::string& source, const std::filesystem::path& directory) {
  if (!std::filesystem::exists(source)) return source;
  const std::filesystem::path folder = std::filesystem::absolute(directory).lexically_normal();
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

std::string tool_version() {
  return BANTAM_VERSION;
}

Json manifest(const Plan& plan, const std::vector<FileEntry>& files, const std::vector<SourceDigest>& source,
              const std::vector<SourceDigest>& adapter) {
  Json variants = Json::array();
  for (const PlannedVariant& variant : plan.variants) {
    Json tensors = Json::array();
    std::int64_t bytes = std::ssize(variant.onnx);
    for (const ShardFile& shard : variant.layout.shards) bytes += shard.bytes;
    for (std::size_t w = 0; w < variant.graph.weights.size(); ++w)
      tensors.push_back(tensor_entry(plan.model.graph, variant, w));
    variants.push_back({{"dtype", std::string(name(variant.variant.dtype))},
                        {"file", "onnx/" + variant.layout.onnx_name},
                        {"shards", variant.layout.shards.size()},
                        {"bytes", bytes},
                        {"tensors", std::move(tensors)}});
  }
  Json file_list = Json::array();
  for (const FileEntry& file : files) {
    Json entry = {{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}};
    if (!file.chunks.empty()) entry["chunks"] = file.chunks;
    file_list.push_back(std::move(entry));
  }
  Json json = {{"schema_version", 1},
               {"tool", {{"name", "bantam"}, {"version", tool_version()}}},
               {"model",
                {{"family", plan.model.family},
                 {"task", std::string(name(plan.model.task))},
                 {"parameters", parameter_count(plan)},
                 {"default_dtype", std::string(name(plan.default_variant().variant.dtype))}}},
               {"source", source_json(plan.checkpoint, source, adapter)},
               {"recipe", recipe_json(plan.recipe)},
               {"notes", plan.notes},
               {"variants", std::move(variants)},
               {"chunk_bytes", kDigestChunk},
               {"files", std::move(file_list)}};
  if (!plan.frontiers.empty()) json["frontiers"] = frontiers_json(plan.frontiers);
  return json;
}

std::string sha256sums(std::vector<FileEntry> files) {
  std::sort(files.begin(), files.end(),
            [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
  std::string text;
  for (const FileEntry& file : files) text += file.sha256 + "  " + file.name + "\n";
  return text;
}

}  // namespace bantam
