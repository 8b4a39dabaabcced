// CoNLL: one word per line with its columns (tabs, else blanks), a blank line between sentences. The first
// column is the word, the last its tag; other columns by number. "-DOCSTART-" lines and, in files with tabs,
// comments ("# ...") are skipped.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "calibrate/formats/line_reader.h"
#include "calibrate/formats/record_reader.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

std::vector<std::string_view> split(std::string_view line) {
  const bool tabs = line.find('\t') != std::string_view::npos;
  std::vector<std::string_view> fields;
  while (!line.empty()) {
    const std::size_t end = std::min(tabs ? line.find('\t') : line.find(' '), line.size());
    if (tabs || end > 0) fields.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return fields;
}

// A byte order mark left in the middle of a file that was put together of several.
bool is_blank(std::string_view line) {
  return trim(line).empty() || trim(line) == "\xef\xbb\xbf";
}

// 1-based number of a column; 0: the last.
std::size_t column_number(const DatasetOptions& options, const std::string& field, std::size_t fallback) {
  const auto mapped = options.columns.find(field);
  if (mapped == options.columns.end() || mapped->second == field) return fallback;
  const std::string& text = mapped->second;
  const bool digits = !text.empty() && text.size() < 4 &&
                      std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || text == "0")
    fail("columns of a CoNLL file are numbers from 1; {} is mapped to \"{}\"", field, text);
  return static_cast<std::size_t>(std::stoi(text));
}

// What the mapping calls it.
std::string column_name(const DatasetOptions& options, const std::string& field) {
  const auto mapped = options.columns.find(field);
  return mapped == options.columns.end() ? field : mapped->second;
}

class ConllReader final : public RecordReader {
 public:
  ConllReader(const std::filesystem::path& path, const DatasetOptions& options)
      : lines_(path, options.charset),
        word_column_(column_number(options, "words", 1)),
        tag_column_(column_number(options, "tags", 0)),
        names_{column_name(options, "words"), column_name(options, "tags")} {}

  std::vector<std::string> columns() override { return names_; }

  std::int64_t next(Json& row) override {
    Json words = Json::array(), tags = Json::array();
    std::int64_t begin = 0;
    std::string_view line;
    while (lines_.next(line)) {
      if (is_blank(line) || line.starts_with("-DOCSTART-")) {
        if (begin > 0) break;
        continue;
      }
      const std::vector<std::string_view> fields = split(line);
      if (tabs_ && fields.size() == 1 && line.starts_with('#')) continue;
      tabs_ = tabs_ || line.find('\t') != std::string_view::npos;
      if (begin == 0) begin = lines_.number();
      words.push_back(pick(fields, word_column_));
      tags.push_back(pick(fields, tag_column_));
    }
    if (begin == 0) return 0;
    row = Json{{names_[0], std::move(words)}, {names_[1], std::move(tags)}};
    return begin;
  }

 private:
  std::string_view pick(const std::vector<std::string_view>& fields, std::size_t column) const {
    if (column > fields.size() || (column == 0 && fields.size() < 2)) {
      lines_.fail_here(fmt::format("{} column{} where a word and its tag were expected", fields.size(),
                                   fields.size() == 1 ? "" : "s"));
    }
    const std::string_view field = column == 0 ? fields.back() : fields[column - 1];
    if (field.empty()) lines_.fail_here("an empty column");
    return field;
  }

  LineReader lines_;
  std::size_t word_column_;
  std::size_t tag_column_;
  std::vector<std::string> names_;
  bool tabs_ = false;
};

bool is_tag(std::string_view text) {
  if (text == "O") return true;
  return text.size() > 2 && text[1] == '-' &&
         std::string_view("BIESLU").find(text[0]) != std::string_view::npos;
}

bool looks_like_conll(std::string_view head) {
  int lines = 0;
  while (!head.empty() && lines < 40) {
    const std::size_t end = std::min(head.find('\n'), head.size());
    std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 1, head.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (is_blank(line) || line.starts_with("-DOCSTART-") || line.starts_with("# ")) continue;
    const std::vector<std::string_view> fields = split(line);
    if (fields.size() < 2 || !is_tag(fields.back())) return false;
    ++lines;
  }
  return lines > 0;
}

RecordReaderPtr open_conll(const std::filesystem::path& path, const DatasetOptions& options) {
  return std::make_unique<ConllReader>(path, options);
}

}  // namespace

const Format kConllFormat = {"conll",
                             "a word and its tag per line, blank lines between sentences",
                             {".conll", ".bio", ".iob2"},
                             looks_like_conll,
                             open_conll};

}  // namespace bantam
