#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "calibrate/dataset.h"

namespace bantam {

// A cursor over the rows of a file; a row is a JSON object from column to value, text formats give strings.
// One file per format, one line in formats/list.cc.
class RecordReader {
 public:
  virtual ~RecordReader() = default;
  // Names of the columns; of formats where each row has its own (JSON), those of the first row.
  virtual std::vector<std::string> columns() = 0;
  // True where columns have no names in the file and are called "1", "2", ...
  virtual bool positional() const { return false; }
  // Only these columns will be looked at; before the first next(). A hint.
  virtual void select(std::span<const std::string> columns) { static_cast<void>(columns); }
  // Names of the classes that the integers in this column stand for.
  virtual std::vector<std::string> classes(std::string_view column) const {
    static_cast<void>(column);
    return {};
  }
  // Fills `row` and tells its line, or returns 0 at the end. Errors carry file and line.
  virtual std::int64_t next(Json& row) = 0;
  // Lines are lines of the file; otherwise they count rows.
  virtual bool by_line() const { return true; }
};

using RecordReaderPtr = std::unique_ptr<RecordReader>;

struct Format {
  std::string_view name;
  std::string_view description;
  std::vector<std::string_view> extensions;
  // Whether a file that begins with `head` (whole lines) is of this format; null: only by extension or by
  // name.
  bool (*looks_like)(std::string_view head);
  RecordReaderPtr (*open)(const std::filesystem::path& path, const DatasetOptions& options);
};

// All formats; content is tried in this order.
std::span<const Format> formats();
// By `options.format`, by extension, by content; plain text at last (and for .txt where only text is asked
// for).
const Format& find_format(const std::filesystem::path& path, DatasetKind kind, const DatasetOptions& options);

// The formats, one per file.
extern const Format kParquetFormat, kSquadFormat, kJsonFormat, kJsonlFormat, kTrecFormat, kConllFormat,
    kTsvFormat, kCsvFormat, kTextFormat;

}  // namespace bantam
