#include "pipeline/tokenizer_files.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

constexpr std::int64_t kLargestSmallFile = std::int64_t{64} << 20;
constexpr std::array<std::string_view, 6> kExtensions = {".json", ".txt", ".model", ".jinja", ".md", ".spm"};
constexpr std::array<std::string_view, 3> kPlainNames = {"LICENSE", "NOTICE", "COPYING"};

bool wanted(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name == "config.json" || name.ends_with(".index.json") || name.starts_with(".")) return false;
  if (std::find(kPlainNames.begin(), kPlainNames.end(), name) != kPlainNames.end()) return true;
  const std::string extension = path.extension().string();
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

void copy_folder(const fs::path& folder, const std::string& prefix, int depth, std::vector<SmallFile>& files) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    // One level down: what modules.json of sentence-transformers points to (1_Pooling/config.json).
    if (entry.is_directory() && depth == 0 && !name.starts_with(".") && fs::exists(entry.path() / "config.json")) {
      const auto bytes = static_cast<std::int64_t>(fs::file_size(entry.path() / "config.json"));
      files.push_back({name + "/config.json", entry.path() / "config.json", {}, bytes});
    }
    if (!entry.is_regular_file() || !wanted(entry.path())) continue;
    const auto bytes = static_cast<std::int64_t>(entry.file_size());
    if (bytes <= kLargestSmallFile) files.push_back({prefix + name, entry.path(), {}, bytes});
  }
}

}  // namespace

std::vector<SmallFile> collect_small_files(const Checkpoint& checkpoint, std::vector<std::string>& notes) {
  std::vector<SmallFile> files;
  copy_folder(checkpoint.directory, "", 0, files);
  const auto has = [&](std::string_view name) {
    return std::any_of(files.begin(), files.end(), [&](const SmallFile& file) { return file.name == name; });
  };
  if (!has("tokenizer.json")) {
    notes.push_back("no tokenizer.json in the checkpoint: pipelines in the browser will miss it");
  }
  std::sort(files.begin(), files.end(), [](const SmallFile& a, const SmallFile& b) { return a.name < b.name; });
  return files;
}

}  // namespace bantam
