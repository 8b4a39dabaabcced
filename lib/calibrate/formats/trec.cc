// Question classification as TREC has it: "NUM:dist How far is it from Denver to Aspen ?".
#include <nlohmann/json.hpp>

#include "calibrate/formats/line_reader.h"
#include "calibrate/formats/record_reader.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

// The sizes of "LABEL" and of "LABEL:sub" at the beginning of a line; 0 when it does not begin so.
struct Prefix {
  std::size_t label = 0;
  std::size_t whole = 0;
};

Prefix prefix_of(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::size_t space = line.find(' ');
  if (colon == std::string_view::npos || space == std::string_view::npos || colon == 0 || space <= colon + 1)
    return {};
  for (std::size_t i = 0; i < colon; ++i) {
    if (line[i] < 'A' || line[i] > 'Z') return {};
  }
  return {colon, space};
}

class TrecReader final : public RecordReader {
 public:
  TrecReader(const std::filesystem::path& path, const DatasetOptions& options)
      : lines_(path, options.charset) {}

  std::vector<std::string> columns() override { return {"label", "fine_label", "text"}; }

  std::int64_t next(Json& row) override {
    std::string_view line;
    do {
      if (!lines_.next(line)) return 0;
    } while (trim(line).empty());
    const Prefix prefix = prefix_of(line);
    if (prefix.label == 0) lines_.fail_here("the line does not begin with LABEL:sub-label and a space");
    row = Json{{"label", line.substr(0, prefix.label)},
               {"fine_label", line.substr(0, prefix.whole)},
               {"text", trim(line.substr(prefix.whole))}};
    return lines_.number();
  }

 private:
  LineReader lines_;
};

bool looks_like_trec(std::string_view head) {
  int lines = 0;
  while (!head.empty() && lines < 20) {
    const std::size_t end = std::min(head.find('\n'), head.size());
    if (prefix_of(head.substr(0, end)).label == 0) return false;
    head.remove_prefix(std::min(end + 1, head.size()));
    ++lines;
  }
  return lines > 0;
}

RecordReaderPtr open_trec(const std::filesystem::path& path, const DatasetOptions& options) {
  return std::make_unique<TrecReader>(path, options);
}

}  // namespace

const Format kTrecFormat = {
    "trec", "LABEL:sub-label and a question in each line", {}, looks_like_trec, open_trec};

}  // namespace bantam
