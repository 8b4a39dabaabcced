#include "pipeline/source_files.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/table.h"
#include "pipeline/tokenizer/json_text.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

constexpr std::size_t kMostFiles = 1000;

constexpr std::array<std::string_view, 6> kExtensions = {".json", ".txt", ".jinja",
                                                         ".md",   ".spm", ".tiktoken"};
constexpr std::array<std::string_view, 6> kSentencePieceFiles = {
    "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model", "tokenizer.model",
    "spm.model",    "tiktoken.model",
};
constexpr std::array<std::string_view, 5> kLegalNames = {"LICENSE", "LICENCE", "NOTICE", "COPYING",
                                                         "COPYRIGHT"};
constexpr std::array<std::string_view, 4> kOwnNames = {"config.json", "bantam.json", "SHA256SUMS",
                                                       "SOURCE_README.md"};
// Stems of what transformers' Trainer and optimum leave behind.
constexpr std::array<std::string_view, 9> kLeftovers = {
    "trainer_state", "training_args", "all_results",     "train_results",   "eval_results",
    "test_results",  "ort_config",    "quantize_config", "predict_results",
};
// What browsers and this program parse: better refused here than there.
constexpr std::array<std::string_view, 13> kParsedFiles = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
};

template <typename List>
bool is_one_of(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

bool is_wanted(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string stem = path.stem().string();
  if (name.starts_with(".") || is_one_of(kOwnNames, name) || is_one_of(kLeftovers, stem)) return false;
  if (name.ends_with(".index.json") || name.starts_with("tensor-cache") || name.starts_with("ndarray-cache"))
    return false;
  if (is_one_of(kSentencePieceFiles, name)) return true;
  const auto begins_name = [&](std::string_view legal) { return name.starts_with(legal); };
  if (!path.has_extension() && std::ranges::any_of(kLegalNames, begins_name)) return true;
  return is_one_of(kExtensions, path.extension().string());
}

// Letters, digits and the marks that neither a URL, a shell nor sha256sum -c takes for something else.
bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("._-+@=,()~ ").find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= 200 && name.front() != '-' && name.front() != ' ' &&
         name.front() != '.' && name.back() != ' ' && std::ranges::all_of(name, plain);
}

class Finder {
 public:
  Finder(const fs::path& directory, std::vector<std::string>& notes) : directory_(directory), notes_(notes) {
    roots_.push_back(fs::canonical(directory));
    // models--org--name/snapshots/<commit>: its files are links into models--org--name/blobs.
    const fs::path snapshots = roots_.front().parent_path();
    const fs::path blobs = snapshots.parent_path() / "blobs";
    std::error_code error;
    if (snapshots.filename() == "snapshots" && fs::is_directory(fs::symlink_status(blobs, error))) {
      roots_.push_back(blobs);
    }
  }

  SourceFiles find() {
    for (const fs::directory_entry& entry : fs::directory_iterator(directory_)) {
      if (is_wanted(entry.path())) take(entry.path().filename().string());
    }
    take_modules();
    take_chat_templates();
    for (const auto& [name, path] : files_) {
      if (is_one_of(kParsedFiles, name) || name.ends_with("/config.json"))
        check_json_file(path, kLargestSmallFile);
    }
    return std::move(files_);
  }

 private:
  void pass_over(const std::string& name, const std::string& why) {
    notes_.push_back(fmt::format("{}: passed over: {}", printable(name), why));
  }

  void take(const std::string& name) {
    const fs::path path = directory_ / name;
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    if (error) return pass_over(name, "a link to nothing");
    if (!fs::is_regular_file(target, error)) {
      if (!fs::is_directory(target, error)) pass_over(name, "not a regular file");
      return;
    }
    const fs::path file = fs::path(name).filename();
    if (!is_plain_name(file.string())) return pass_over(name, "no name that a URL can carry");
    if (!is_inside(target)) {
      return pass_over(name, fmt::format("a link out of the checkpoint, to {}", printable(target.string())));
    }
    const auto bytes = static_cast<std::int64_t>(fs::file_size(target));
    if (bytes > kLargestSmallFile)
      return pass_over(name, fmt::format("{} bytes are too many for a small file", bytes));
    if (files_.size() == kMostFiles) {
      fail("{}: holds more than {} small files; is this a checkpoint folder?", directory_.string(),
           kMostFiles);
    }
    files_.emplace(name, path);
  }

  bool is_inside(const fs::path& target) const {
    return std::ranges::any_of(
        roots_, [&](const fs::path& root) { return std::ranges::mismatch(root, target).in1 == root.end(); });
  }

  // [{"path": "1_Pooling", ...}, ...]; the model itself has the path "".
  void take_modules() {
    const auto found = files_.find("modules.json");
    if (found == files_.end()) return;
    const fs::path path = found->second;
    const Json modules = read_json_file(path, {.max_bytes = 1 << 20, .max_depth = 16});
    if (!modules.is_array()) fail("{}: a list of modules was expected", path.string());
    for (const Json& module : modules) {
      if (!module.is_object() || !module.contains("path") || !module["path"].is_string()) continue;
      const auto& folder = module["path"].get_ref<const std::string&>();
      if (folder.empty()) continue;
      std::error_code error;
      if (!is_plain_name(folder)) {
        pass_over("modules.json: " + folder, "no name of a folder beside it");
      } else if (fs::exists(directory_ / folder / "config.json", error)) {
        take(folder + "/config.json");
      }
    }
  }

  void take_chat_templates() {
    const std::string folder = "additional_chat_templates";
    std::error_code error;
    if (!fs::is_directory(directory_ / folder, error)) return;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory_ / folder)) {
      if (entry.path().extension() == ".jinja") take(folder + "/" + entry.path().filename().string());
    }
  }

  const fs::path& directory_;
  std::vector<std::string>& notes_;
  std::vector<fs::path> roots_;
  SourceFiles files_;
};

}  // namespace

SourceFiles find_small_files(const fs::path& directory, std::vector<std::string>& notes) {
  try {
    std::vector<std::string> passed_over;
    SourceFiles files = Finder(directory, passed_over).find();
    std::ranges::sort(passed_over);  // folders list their files in any order
    notes.insert(notes.end(), passed_over.begin(), passed_over.end());
    return files;
  } catch (const fs::filesystem_error& error) {
    fail_io(error.path1().string(), "read", error.code().value());
  }
}

}  // namespace bantam
