// Any bytes as one of the tokenizer files of a checkpoint: refused with an Error, or the bundle's files are
// made and are JSON where they have to be. The first byte chooses the checkpoint and the file.
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "pipeline/tokenizer_files.h"

namespace fs = std::filesystem;

namespace {

struct Target {
  const char* checkpoint;  // in testdata/vocabularies
  const char* file;
};
constexpr std::array kTargets = {
    Target{"bert-alone", "vocab.txt"},
    Target{"bert-alone", "tokenizer_config.json"},
    Target{"bert-alone", "special_tokens_map.json"},
    Target{"bert-alone", "added_tokens.json"},
    Target{"bert-alone", "tokenizer.json"},
    Target{"roberta-alone", "vocab.json"},
    Target{"roberta-alone", "merges.txt"},
    Target{"albert", "spiece.model"},
    Target{"xlm-roberta", "sentencepiece.bpe.model"},
    Target{"bert-alone", "modules.json"},
    Target{"bert-alone", "processor_config.json"},
};

// A copy of the checkpoint without what transformers made of it.
fs::path copy_of(const char* checkpoint) {
  std::string pattern = (fs::temp_directory_path() / "bantam-fuzz-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  for (const auto& entry : fs::directory_iterator(fs::path(BANTAM_TESTDATA "/vocabularies") / checkpoint)) {
    const std::string name = entry.path().filename().string();
    if (name != "transformers.json" && name != "encoded.json")
      fs::copy_file(entry.path(), fs::path(pattern) / name);
  }
  return pattern;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::array<fs::path, kTargets.size()> folders;
  if (size == 0) return 0;
  const std::size_t target = data[0] % kTargets.size();
  fs::path& folder = folders[target];
  if (folder.empty()) folder = copy_of(kTargets[target].checkpoint);
  std::ofstream(folder / kTargets[target].file, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data) + 1, static_cast<std::streamsize>(size - 1));
  try {
    const bantam::Checkpoint checkpoint{
        folder, folder.string(), bantam::Config::read(folder / "config.json"), {}, {}, {}};
    std::vector<std::string> notes;
    for (const bantam::SmallFile& file : bantam::collect_small_files(checkpoint, notes)) {
      if (file.copy_of.empty() && file.name.ends_with(".json") && !nlohmann::json::accept(file.text))
        std::abort();
    }
  } catch (const bantam::Error&) {
  }
  return 0;
}
