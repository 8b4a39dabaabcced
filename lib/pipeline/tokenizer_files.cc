#include "pipeline/tokenizer_files.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "pipeline/generation_config.h"
#include "pipeline/preprocessor_config.h"
#include "pipeline/source_files.h"
#include "pipeline/tokenizer/chat_template.h"
#include "pipeline/tokenizer/settings.h"
#include "pipeline/tokenizer/tokenizer_config.h"
#include "pipeline/tokenizer/tokenizer_json.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

constexpr std::array<std::string_view, 10> kVocabularyFiles = {
    "vocab.txt",           "vocab.json",      "merges.txt", "spiece.model", "sentencepiece.bpe.model",
    "sentencepiece.model", "tokenizer.model", "spm.model",  "source.spm",   "tiktoken.model",
};

class Collector {
 public:
  Collector(const Checkpoint& checkpoint, std::vector<std::string>& notes)
      : checkpoint_(checkpoint), notes_(notes), files_(find_small_files(checkpoint.directory, notes)) {}

  std::vector<SmallFile> collect() {
    copy_files();
    check_generation_config(checkpoint_.config, files_, notes_);
    const Json stated = read_tokenizer_config(files_);
    const TokenizerSettings settings = read_tokenizer_settings(checkpoint_.config, stated, files_);
    if (files_.contains("tokenizer.json")) {
      make_config(stated, settings, [&] { return read_tokenizer_facts(files_.at("tokenizer.json")); });
    } else if (std::string text = make_tokenizer(settings); !text.empty()) {
      add_made("tokenizer.json", std::move(text));
      make_config(stated, settings, [&] { return facts_of_made_tokenizer(settings); });
    } else {
      note_missing_tokenizer(settings);
    }
    if (std::string text = make_preprocessor_config(files_); !text.empty()) {
      add_made("preprocessor_config.json", std::move(text));
    }
    std::ranges::sort(result_, {}, &SmallFile::name);
    return std::move(result_);
  }

 private:
  void copy_files() {
    for (const auto& [name, path] : files_) {
      // The bundle's own README.md tells how to use it.
      const std::string target = name == "README.md" ? "SOURCE_README.md" : name;
      result_.push_back({target, path, {}, static_cast<std::int64_t>(fs::file_size(path))});
    }
  }

  void add_made(const std::string& name, std::string text) {
    std::erase_if(result_, [&](const SmallFile& file) { return file.name == name; });
    const auto bytes = static_cast<std::int64_t>(text.size());
    result_.push_back({name, {}, std::move(text), bytes});
  }

  const fs::path* file(std::string_view name) const {
    const auto found = files_.find(std::string(name));
    return found == files_.end() ? nullptr : &found->second;
  }

  // Empty when the files do not suffice.
  std::string make_tokenizer(const TokenizerSettings& settings) {
    if (settings.class_info == nullptr) return {};
    switch (settings.class_info->model) {
      case TokenizerModel::kWordPiece:
        if (const fs::path* words = file("vocab.txt")) {
          return made_of("vocab.txt", settings, wordpiece_tokenizer_json(*words, settings, notes_));
        }
        return {};
      case TokenizerModel::kByteLevelBpe:
        if (file("vocab.json") != nullptr && file("merges.txt") != nullptr) {
          return made_of(
              "vocab.json and merges.txt", settings,
              byte_level_bpe_tokenizer_json(*file("vocab.json"), *file("merges.txt"), settings, notes_));
        }
        return {};
      case TokenizerModel::kAlbertUnigram:
        return make_unigram("spiece.model", settings);
      case TokenizerModel::kXlmRobertaUnigram:
        return make_unigram("sentencepiece.bpe.model", settings);
    }
    return {};
  }

  std::string make_unigram(std::string_view name, const TokenizerSettings& settings) {
    const fs::path* model = file(name);
    return model == nullptr ? std::string()
                            : made_of(name, settings, unigram_tokenizer_json(*model, settings, notes_));
  }

  std::string made_of(std::string_view from, const TokenizerSettings& settings, std::string text) {
    if (!text.empty())
      notes_.push_back(fmt::format("tokenizer.json is made from {} ({})", from, settings.class_name));
    return text;
  }

  void make_config(const Json& stated, const TokenizerSettings& settings,
                   const std::function<TokenizerFacts()>& facts) {
    Json config = complete_tokenizer_config(stated, checkpoint_.config, settings, files_, facts, notes_);
    inline_chat_template(config, files_, notes_);
    if (config != stated) add_made("tokenizer_config.json", to_pretty_json(config));
    if (std::string text = lone_chat_template(config, files_); !text.empty()) {
      add_made("chat_template.jinja", std::move(text));
    }
  }

  void note_missing_tokenizer(const TokenizerSettings& settings) {
    std::string found;
    for (const std::string_view name : kVocabularyFiles) {
      if (file(name) != nullptr) found += fmt::format("{}{}", found.empty() ? "" : ", ", name);
    }
    if (found.empty()) {
      notes_.push_back("no tokenizer files in the checkpoint: pipelines in the browser will miss them");
      return;
    }
    notes_.push_back(fmt::format(
        "no tokenizer.json, and none can be made from {}{}: pipelines in the browser will miss it. "
        "transformers makes "
        "one: python -c \"from transformers import AutoTokenizer as A; "
        "A.from_pretrained('SOURCE').save_pretrained('SOURCE')\"",
        found, settings.class_name.empty() ? "" : fmt::format(" for {}", quote(settings.class_name, 60))));
  }

  const Checkpoint& checkpoint_;
  std::vector<std::string>& notes_;
  SourceFiles files_;
  std::vector<SmallFile> result_;
};

}  // namespace

std::vector<SmallFile> collect_small_files(const Checkpoint& checkpoint, std::vector<std::string>& notes) {
  return Collector(checkpoint, notes).collect();
}

}  // namespace bantam
