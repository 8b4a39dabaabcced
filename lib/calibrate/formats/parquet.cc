// Parquet, as the Hugging Face hub stores data sets, through the bridge.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "calibrate/bridge_text.h"
#include "calibrate/formats/record_reader.h"

namespace bantam {
namespace {

constexpr std::size_t kRowsAtOnce = 256;

struct CloseParquet {
  void operator()(BantamParquet* file) const { bantam_parquet_close(file); }
};

// names of {"info": {"features": {column: {"names": [...], "_type": "ClassLabel"}}}}, also inside of a
// Sequence.
std::vector<std::string> class_names(const Json& feature, int depth = 0) {
  std::vector<std::string> names;
  if (!feature.is_object() || depth > 3) return names;
  if (feature.contains("names") && feature["names"].is_array()) {
    for (const Json& label : feature["names"]) {
      if (!label.is_string()) return {};
      names.push_back(label.get<std::string>());
    }
    return names;
  }
  return feature.contains("feature") ? class_names(feature["feature"], depth + 1) : names;
}

class ParquetReader final : public RecordReader {
 public:
  explicit ParquetReader(const std::filesystem::path& path) : path_(path.string()) {
    BantamOwnedText error{};
    file_.reset(bantam_parquet_open(borrow(path_), &error));
    if (!file_) fail("{}: {}", path_, take(error));
    description_ = parse_json(take(bantam_parquet_describe(file_.get(), nullptr)));
    if (description_["huggingface"].is_string()) {
      // Written by the data sets library and not needed to read the rows: a broken one is as good as none.
      try {
        features_ = parse_json(description_["huggingface"].get<std::string>()).at("info").at("features");
      } catch (const Error&) {
      } catch (const Json::exception&) {
      }
    }
  }

  std::vector<std::string> columns() override {
    return description_["columns"].get<std::vector<std::string>>();
  }
  bool by_line() const override { return false; }

  void select(std::span<const std::string> columns) override {
    std::vector<BantamText> names;
    for (const std::string& column : columns) names.push_back(borrow(column));
    BantamOwnedText error{};
    if (!bantam_parquet_select(file_.get(), names.data(), names.size(), &error))
      fail("{}: {}", path_, take(error));
  }

  std::vector<std::string> classes(std::string_view column) const override {
    const std::string key(column);
    return features_.is_object() && features_.contains(key) ? class_names(features_[key])
                                                            : std::vector<std::string>();
  }

  std::int64_t next(Json& row) override {
    if (at_ == batch_.size()) {
      BantamOwnedText error{};
      const BantamOwnedText rows = bantam_parquet_next(file_.get(), kRowsAtOnce, &error);
      if (rows.data == nullptr) fail("{}: row {} and following: {}", path_, row_ + 1, take(error));
      batch_ = parse_json(take(rows), {.max_bytes = std::int64_t{1} << 31});
      at_ = 0;
      if (batch_.empty()) return 0;
    }
    row = std::move(batch_[at_++]);
    return ++row_;
  }

 private:
  std::string path_;
  std::unique_ptr<BantamParquet, CloseParquet> file_;
  Json description_;
  Json features_;
  Json batch_ = Json::array();
  std::size_t at_ = 0;
  std::int64_t row_ = 0;
};

bool looks_like_parquet(std::string_view head) {
  return head.starts_with("PAR1");
}

RecordReaderPtr open_parquet(const std::filesystem::path& path, const DatasetOptions&) {
  return std::make_unique<ParquetReader>(path);
}

}  // namespace

const Format kParquetFormat = {"parquet",
                               "Parquet, as the Hugging Face hub stores data sets",
                               {".parquet"},
                               looks_like_parquet,
                               open_parquet};

}  // namespace bantam
