// JSON: one object per line (JSONL), an array of objects, or {"data": [objects]}.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "calibrate/formats/json_file.h"
#include "calibrate/formats/line_reader.h"
#include "calibrate/formats/record_reader.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

std::vector<std::string> keys_of(const Json& row) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : row.items()) keys.push_back(key);
  return keys;
}

class JsonlReader final : public RecordReader {
 public:
  JsonlReader(const std::filesystem::path& path, const DatasetOptions& options)
      : lines_(path, options.charset), first_line_(read(first_)) {}

  std::vector<std::string> columns() override { return keys_of(first_); }

  std::int64_t next(Json& row) override {
    if (first_line_ == 0) return read(row);
    row = std::move(first_);
    return std::exchange(first_line_, 0);
  }

 private:
  std::int64_t read(Json& row) {
    std::string_view line;
    do {
      if (!lines_.next(line)) return 0;
    } while (trim(line).empty());
    try {
      row = parse_json(line);
    } catch (const Error& error) {
      lines_.fail_here(error.message());
    }
    if (!row.is_object())
      lines_.fail_here(fmt::format("a JSON {} where an object was expected", row.type_name()));
    return lines_.number();
  }

  LineReader lines_;
  Json first_ = Json::object();
  std::int64_t first_line_ = 0;
};

class JsonReader final : public RecordReader {
 public:
  explicit JsonReader(const std::filesystem::path& path) : rows_(read_json_rows(path)) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].is_object()) continue;
      fail("{}: row {}: a JSON {} where an object was expected", path.string(), i + 1, rows_[i].type_name());
    }
  }

  std::vector<std::string> columns() override {
    return rows_.empty() ? std::vector<std::string>() : keys_of(rows_.front());
  }
  bool by_line() const override { return false; }

  std::int64_t next(Json& row) override {
    if (at_ == rows_.size()) return 0;
    row = std::move(rows_[at_]);
    return static_cast<std::int64_t>(++at_);
  }

 private:
  std::vector<Json> rows_;
  std::size_t at_ = 0;
};

bool looks_like_jsonl(std::string_view head) {
  const std::string_view line = trim(head.substr(0, head.find('\n')));
  return line.starts_with('{') && line.ends_with('}') && !line.starts_with("{\"data\"");
}

bool looks_like_json(std::string_view head) {
  head = trim(head);
  return head.starts_with('[') || head.starts_with('{');
}

RecordReaderPtr open_jsonl(const std::filesystem::path& path, const DatasetOptions& options) {
  return std::make_unique<JsonlReader>(path, options);
}

RecordReaderPtr open_json(const std::filesystem::path& path, const DatasetOptions&) {
  return std::make_unique<JsonReader>(path);
}

}  // namespace

std::vector<Json> read_json_rows(const std::filesystem::path& path) {
  Json whole = read_json_file(path, {.max_bytes = kMaxJsonBytes});
  if (whole.is_object() && whole.contains("data")) whole = Json(std::move(whole["data"]));
  if (!whole.is_array()) {
    fail("{}: a JSON {} where an array of objects, or an object with \"data\", was expected", path.string(),
         whole.type_name());
  }
  auto& rows = whole.get_ref<Json::array_t&>();
  return {std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end())};
}

const Format kJsonlFormat = {
    "jsonl", "one JSON object per line", {".jsonl", ".ndjson"}, looks_like_jsonl, open_jsonl};
const Format kJsonFormat = {
    "json", "an array of JSON objects, or {\"data\": [...]}", {}, looks_like_json, open_json};

}  // namespace bantam
