// CSV and TSV. Quotes: a CSV field in quotes may hold commas, line ends and doubled quotes (RFC 4180). TSV in
// the wild is written without any quoting (GLUE) as well as by writers that quote only where they must
// (pandas). So by default a TSV field counts as quoted when its quotes close in the same line and hold
// something that had to be quoted.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "calibrate/columns.h"
#include "calibrate/formats/line_reader.h"
#include "calibrate/formats/record_reader.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxColumns = 4096;
constexpr std::size_t kMaxFieldBytes = 64 << 20;

class DelimitedReader final : public RecordReader {
 public:
  DelimitedReader(const std::filesystem::path& path, const DatasetOptions& options, char delimiter)
      : lines_(path, options.charset), delimiter_(delimiter), quotes_(options.quotes) {
    std::vector<std::string> first;
    if (!read_row(first)) return;
    const bool named = std::ranges::any_of(first, [&](const std::string& field) {
      return is_known_column(trim(field)) || std::ranges::any_of(options.columns, [&](const auto& mapped) {
               return mapped.second == trim(field);
             });
    });
    positional_ = options.header == Header::kNo || (options.header == Header::kAuto && !named);
    for (std::size_t i = 0; i < first.size(); ++i) {
      columns_.push_back(positional_ ? std::to_string(i + 1) : std::string(trim(first[i])));
    }
    if (positional_) {
      held_ = std::move(first);
    } else if (auto sorted = columns_;
               std::ranges::sort(sorted), std::ranges::adjacent_find(sorted) != sorted.end()) {
      lines_.fail_here("two columns have the name " + quote(*std::ranges::adjacent_find(sorted)));
    }
  }

  std::vector<std::string> columns() override { return columns_; }
  bool positional() const override { return positional_; }

  std::int64_t next(Json& row) override {
    std::vector<std::string> fields;
    if (held_) {
      fields = std::move(*held_);
      held_.reset();
    } else if (!read_row(fields)) {
      return 0;
    }
    if (fields.size() != columns_.size()) {
      lines_.fail_here(fmt::format("{} columns where {} were expected", fields.size(), columns_.size()),
                       line_);
    }
    row = Json::object();
    for (std::size_t i = 0; i < fields.size(); ++i) row[columns_[i]] = std::move(fields[i]);
    return line_;
  }

 private:
  // The next row that is not blank; line_ is where it begins.
  bool read_row(std::vector<std::string>& fields) {
    std::string_view line;
    do {
      if (!lines_.next(line)) return false;
    } while (trim(line).empty());
    line_ = lines_.number();
    fields.clear();
    std::size_t at = 0;
    while (true) {
      if (fields.size() == kMaxColumns) lines_.fail_here("more than 4096 columns", line_);
      std::string field;
      if (at >= line.size() || line[at] != '"' || quotes_ == Quotes::kNever || !quoted(line, at, field)) {
        const std::size_t end = std::min(line.find(delimiter_, at), line.size());
        field = line.substr(at, end - at);
        at = end;
      }
      fields.push_back(std::move(field));
      if (at >= line.size()) return true;
      ++at;
      if (at == line.size()) {  // a delimiter ends the line: one more, empty field
        fields.emplace_back();
        return true;
      }
    }
  }

  // Reads the quoted field that begins at `at`; false when it is no quoted field after all.
  bool quoted(std::string_view& line, std::size_t& at, std::string& field) {
    const bool strict = quotes_ == Quotes::kAlways || delimiter_ != '\t';
    std::size_t from = at + 1;
    while (true) {
      const std::size_t quote = line.find('"', from);
      if (quote == std::string_view::npos) {
        if (!strict) return false;
        field.append(line.substr(from)).push_back('\n');
        if (field.size() > kMaxFieldBytes)
          lines_.fail_here("a quoted field of more than 64 MiB begins", line_);
        if (!lines_.next(line)) lines_.fail_here("a quote is opened and never closed", line_);
        from = 0;
        continue;
      }
      field.append(line.substr(from, quote - from));
      if (quote + 1 < line.size() && line[quote + 1] == '"') {
        field.push_back('"');
        from = quote + 2;
        continue;
      }
      if (quote + 1 < line.size() && line[quote + 1] != delimiter_) {
        if (!strict) return false;
        lines_.fail_here("text behind a closing quote; quotes inside of a quoted field are doubled");
      }
      if (!strict && field.find_first_of("\t\"") == std::string::npos) return false;
      at = quote + 1;
      return true;
    }
  }

  LineReader lines_;
  char delimiter_;
  Quotes quotes_;
  bool positional_ = false;
  std::vector<std::string> columns_;
  std::optional<std::vector<std::string>> held_;
  std::int64_t line_ = 0;
};

RecordReaderPtr open_csv(const std::filesystem::path& path, const DatasetOptions& options) {
  // Spreadsheets in half of Europe write semicolons.
  const std::string head = file_head(path);
  const std::string_view first = std::string_view(head).substr(0, head.find('\n'));
  const bool semicolons =
      first.find(',') == std::string_view::npos && first.find(';') != std::string_view::npos;
  return std::make_unique<DelimitedReader>(path, options, semicolons ? ';' : ',');
}

RecordReaderPtr open_tsv(const std::filesystem::path& path, const DatasetOptions& options) {
  return std::make_unique<DelimitedReader>(path, options, '\t');
}

// The first lines have the same number of tabs, at least one.
bool looks_like_tsv(std::string_view head) {
  std::int64_t tabs = 0;
  int lines = 0;
  while (!head.empty() && lines < 20) {
    const std::size_t end = std::min(head.find('\n'), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 1, head.size()));
    if (trim(line).empty()) continue;
    const std::int64_t here = std::ranges::count(line, '\t');
    if (here == 0 || (lines > 0 && here != tabs)) return false;
    tabs = here;
    ++lines;
  }
  return lines > 0;
}

}  // namespace

const Format kCsvFormat = {
    "csv", "comma-separated values, quoted as in RFC 4180", {".csv"}, nullptr, open_csv};
const Format kTsvFormat = {"tsv", "tab-separated values", {".tsv", ".tab"}, looks_like_tsv, open_tsv};

}  // namespace bantam
