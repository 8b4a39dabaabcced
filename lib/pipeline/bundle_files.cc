#include "pipeline/bundle_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "shard/tensor_cache.h"

namespace bantam {

std::vector<TextFile> index_files(const Plan& plan, const std::vector<std::vector<std::string>>& md5) {
  std::vector<TextFile> files;
  const DtypeName chosen = plan.default_variant().variant.dtype;
  for (std::size_t v = 0; v < plan.variants.size(); ++v) {
    const PlannedVariant& variant = plan.variants[v];
    const DtypeName dtype = variant.variant.dtype;
    // fp32 has no suffix of its own, and the plain name belongs to the default dtype.
    std::string suffix(dtype == DtypeName::kFp32 ? "_fp32" : info(dtype).suffix);
    if (dtype == chosen) suffix.clear();
    files.push_back({"tensor-cache" + suffix + ".json",
                     to_pretty_json(tensor_cache_index(variant.graph, variant.layout, "onnx/", md5[v]))});
  }
  return files;
}

std::vector<FileEntry> payload_files(const Plan& plan) {
  std::vector<FileEntry> files;
  std::vector<std::vector<std::string>> md5;
  for (const PlannedVariant& variant : plan.variants) {
    files.push_back({"onnx/" + variant.layout.onnx_name, std::ssize(variant.onnx), {}});
    for (const ShardFile& shard : variant.layout.shards)
      files.push_back({"onnx/" + shard.name, shard.bytes, {}});
    md5.emplace_back(variant.layout.shards.size(), std::string(32, '0'));
  }
  for (const TextFile& index : index_files(plan, md5))
    files.push_back({index.name, std::ssize(index.text), {}});
  for (const SmallFile& file : plan.small_files) files.push_back({file.name, file.bytes, {}});
  files.push_back({"config.json", std::ssize(plan.config), {}});
  std::sort(files.begin(), files.end(),
            [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
  return files;
}

std::vector<Compression> wanted_compressions(const Plan& plan, const std::string& file) {
  std::vector<Compression> wanted;
  if (!file.starts_with("onnx/") && file != "tokenizer.json") return wanted;
  for (const Compression& compression : compressions()) {
    const auto& names = plan.recipe.compress;
    if (std::find(names.begin(), names.end(), compression.name) != names.end()) wanted.push_back(compression);
  }
  return wanted;
}

}  // namespace bantam
