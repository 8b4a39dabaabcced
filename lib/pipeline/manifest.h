#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "pipeline/plan.h"

namespace bantam {

// A file of the written bundle. Digests are lower-case hex.
struct FileEntry {
  std::string name;
  std::int64_t bytes = 0;
  std::string sha256;
  std::vector<std::string> chunks{};  // as digest_files() has them
};

struct SourceDigest {
  std::string name;
  std::string sha256;  // empty: not known
};

// bantam.json (schemas/manifest.schema.json): tool version, recipe, source (and the adapter merged into it),
// files, and per tensor and variant its role, dtype and bytes.
Json manifest(const Plan& plan, const std::vector<FileEntry>& files, const std::vector<SourceDigest>& source,
              const std::vector<SourceDigest>& adapter);

std::string tool_version();

// A name for a model or adapter that holds nothing of this machine: the hub id, or the folder's own name.
std::string public_name(const std::string& source, const std::filesystem::path& directory);

// As `sha256sum -c` reads it, sorted by name.
std::string sha256sums(std::vector<FileEntry> files);

}  // namespace bantam
