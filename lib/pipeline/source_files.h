#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace bantam {

// Files of a checkpoint folder by their name in it, with '/' between folders.
using SourceFiles = std::map<std::string, std::filesystem::path>;

constexpr std::int64_t kLargestSmallFile = std::int64_t{64} << 20;

// The files of a checkpoint that may go into a bundle, or be read to make a file for it: tokenizer, processor
// and generation files, licences, model cards, what modules.json of sentence-transformers points to, chat
// templates. Never: config.json (the bundle has its own), weights and their indexes, other frameworks'
// graphs, what training leaves behind, hidden files, other folders, and the names that the bundle uses
// itself. A link must stay inside the folder, or inside the hub cache's blobs where the folder is a snapshot
// there; such files, files above 64 MiB and names that a URL cannot carry are passed over with a note. Files
// that browsers parse must be JSON; errors name the file.
SourceFiles find_small_files(const std::filesystem::path& directory, std::vector<std::string>& notes);

}  // namespace bantam
