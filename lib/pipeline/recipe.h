#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "convert/architecture.h"
#include "quantize/variant.h"

namespace bantam {

// Everything that determines a bundle. The same recipe, source and version give the same bytes.
struct Recipe {
  std::string source;            // folder or hub id
  std::string adapter;           // a LoRA adapter to merge into it: folder or hub id; empty: none
  std::filesystem::path output;  // the bundle's folder
  std::optional<Task> task;      // overrides what the checkpoint says
  std::vector<Variant> variants;
  std::int64_t shard_bytes = std::int64_t{32} << 20;
  std::vector<std::string> compress;  // names of compressions()
  bool canonical = true;  // bring channels into one scaling first (quantize/canonical.h)
  bool allow_nonfinite = false;
  bool hash_source = false;
  bool page = false;  // write index.html, a page that runs the model

  // How, not what: these never change a byte of the bundle.
  int threads = 1;
  bool force = false;
};

// fp32, fp16, q8, q4, q4f16: holds what transformers.js picks by itself on wasm (q8) and on WebGPU (fp32).
std::vector<DtypeName> default_dtypes();

// Applies a recipe file (schemas/recipe.schema.json) on top of `recipe`; unknown keys and bad values are usage
// errors that name file and place: "r.json: variants[0].block_size: 33 where ...".
void apply_recipe_file(const std::filesystem::path& path, Recipe& recipe);
// The part of a recipe that determines bytes, as a recipe file would hold it.
Json recipe_json(const Recipe& recipe);

// Usage errors for values that make no sense (no dtype, a dtype twice, block size, ...).
void check_recipe(const Recipe& recipe);

}  // namespace bantam
