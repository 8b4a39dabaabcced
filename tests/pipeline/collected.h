#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "pipeline/tokenizer_files.h"
#include "tests/convert/checkpoint_files.h"

namespace bantam::test {

// What collect_small_files makes of a folder, weights left aside.
struct Collected {
  std::map<std::string, SmallFile> files;
  std::vector<std::string> notes;

  explicit Collected(const std::filesystem::path& folder) {
    const Checkpoint checkpoint{folder, folder.string(), Config::read(folder / "config.json"), {}, {}, {}};
    for (SmallFile& file : collect_small_files(checkpoint, notes)) {
      EXPECT_TRUE(order.empty() || order.back() < file.name) << file.name << " is not in order";
      order.push_back(file.name);
      files.emplace(file.name, std::move(file));
    }
  }

  std::vector<std::string> names() const { return order; }
  bool has(const std::string& name) const { return files.contains(name); }
  bool copied(const std::string& name) const { return has(name) && !files.at(name).copy_of.empty(); }
  std::string text(const std::string& name) const {
    if (!has(name)) {
      ADD_FAILURE() << "no " << name;
      return {};
    }
    const SmallFile& file = files.at(name);
    std::string text = file.copy_of.empty() ? file.text : read_text_file(file.copy_of, 1 << 24);
    EXPECT_EQ(std::ssize(text), file.bytes) << name;
    return text;
  }
  nlohmann::json json(const std::string& name) const { return nlohmann::json::parse(text(name)); }
  bool noted(std::string_view part) const {
    return std::ranges::any_of(notes, [&](const std::string& note) { return note.find(part) != note.npos; });
  }

 private:
  std::vector<std::string> order;
};

// A folder with config.json and, unless `config` says otherwise, the words of a small BERT in vocab.txt.
inline void write_bert(const TempFolder& folder, const std::string& config = R"({"model_type": "bert"})") {
  folder.write("config.json", config);
  folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##b\n");
}

}  // namespace bantam::test
