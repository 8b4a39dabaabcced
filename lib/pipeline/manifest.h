#pragma once

#include <cstdint>
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
};

struct SourceDigest {
  std::string name;
  std::string sha256;  // empty: not known
};

// bantam.json (schemas/manifest.schema.json): tool version, recipe, source, files, and per tensor and variant
// its role, dtype and bytes.
Json manifest(const Plan& plan, const std::vector<FileEntry>& files, const std::vector<SourceDigest>& source);

std::string tool_version();

// As `sha256sum -c` reads it, sorted by name.
std::string sha256sums(std::vector<FileEntry> files);

}  // namespace bantam
