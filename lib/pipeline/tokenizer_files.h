#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "convert/checkpoint.h"

namespace bantam {

// A file of the bundle that holds no weights: copied from the checkpoint, or made for it.
struct SmallFile {
  std::string name;               // relative to the bundle
  std::filesystem::path copy_of;  // empty when made
  std::string text;               // when made
  std::int64_t bytes = 0;
};

// The files of the bundle beside graphs, weights, indexes and config.json, sorted by name: what
// find_small_files (pipeline/source_files.h) lets through, README.md as SOURCE_README.md, and what browsers
// need and the checkpoint lacks: tokenizer.json from the vocabulary files, tokenizer_config.json,
// preprocessor_config.json, the chat template in both of its places. `notes` receives what was made, changed
// or passed over, and what is missing and how to get it. A file that is there and damaged is an error that
// names it.
std::vector<SmallFile> collect_small_files(const Checkpoint& checkpoint, std::vector<std::string>& notes);

}  // namespace bantam
