#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "convert/checkpoint.h"

namespace bantam {

// A file of the bundle that holds no weights: copied from the checkpoint, or made for it.
struct SmallFile {
  std::string name;                // relative to the bundle
  std::filesystem::path copy_of;   // empty when made
  std::string text;                // when made
  std::int64_t bytes = 0;
};

// The small files of the checkpoint that the browser or a reader wants, sorted by name, without weights, config.json and
// anything above 64 MiB. A WordPiece vocab.txt without tokenizer.json is turned into one; a missing
// tokenizer_config.json is made, and a chat template that stands alone is inlined into it.
// `notes` receives what the user should know (no tokenizer at all).
std::vector<SmallFile> collect_small_files(const Checkpoint& checkpoint, std::vector<std::string>& notes);

}  // namespace bantam
