#pragma once

#include <string>
#include <vector>

#include "pipeline/manifest.h"
#include "pipeline/plan.h"
#include "shard/compress.h"

namespace bantam {

// The index files tensor-cache<suffix>.json of every variant; `md5[v][s]` is the digest of shard s of variant
// v.
struct TextFile {
  std::string name;
  std::string text;
};
std::vector<TextFile> index_files(const Plan& plan, const std::vector<std::vector<std::string>>& md5);

// All files but twins, bantam.json and SHA256SUMS, with exact sizes; sha256 is empty.
std::vector<FileEntry> payload_files(const Plan& plan);

// The twins that the recipe asks for of a file: of graphs, shards and tokenizers.
std::vector<Compression> wanted_compressions(const Plan& plan, const std::string& file);

}  // namespace bantam
