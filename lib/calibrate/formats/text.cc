// Plain text: one example per line, per paragraph (between blank lines), or the whole file.
#include <nlohmann/json.hpp>

#include "calibrate/formats/line_reader.h"
#include "calibrate/formats/record_reader.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

class TextReader final : public RecordReader {
 public:
  TextReader(const std::filesystem::path& path, const DatasetOptions& options)
      : lines_(path, options.charset), unit_(options.unit) {}

  std::vector<std::string> columns() override { return {"text"}; }

  std::int64_t next(Json& row) override {
    std::string text;
    std::int64_t begin = 0;
    std::string_view line;
    while (lines_.next(line)) {
      const bool blank = trim(line).empty();
      if (unit_ == TextUnit::kDocument) {
        text.append(line).push_back('\n');  // blank lines are part of it
        if (begin == 0) begin = lines_.number();
        continue;
      }
      if (blank && begin == 0) continue;
      if (blank) break;
      if (begin == 0) begin = lines_.number();
      if (!text.empty()) text.push_back('\n');
      text.append(line);
      if (unit_ == TextUnit::kLine) break;
    }
    if (trim(text).empty()) return 0;
    row = Json{{"text", std::move(text)}};
    return begin;
  }

 private:
  LineReader lines_;
  TextUnit unit_;
};

RecordReaderPtr open_text(const std::filesystem::path& path, const DatasetOptions& options) {
  return std::make_unique<TextReader>(path, options);
}

}  // namespace

const Format kTextFormat = {"text", "plain text, one example per line", {".text"}, nullptr, open_text};

}  // namespace bantam
