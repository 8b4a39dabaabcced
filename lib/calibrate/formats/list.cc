#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "calibrate/formats/line_reader.h"
#include "calibrate/formats/record_reader.h"

namespace bantam {

std::span<const Format> formats() {
  static const std::array kFormats = {kParquetFormat, kSquadFormat, kJsonlFormat, kJsonFormat, kTrecFormat,
                                      kConllFormat,   kTsvFormat,   kCsvFormat,   kTextFormat};
  return kFormats;
}

const Format& find_format(const std::filesystem::path& path, DatasetKind kind,
                          const DatasetOptions& options) {
  if (!options.format.empty()) {
    for (const Format& format : formats()) {
      if (format.name == options.format) return format;
    }
    std::string names;
    for (const Format& format : formats()) names += (names.empty() ? "" : ", ") + std::string(format.name);
    fail_usage("there is no data format \"{}\"; the formats are {}", options.format, names);
  }
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const Format& format : formats()) {
    if (std::ranges::find(format.extensions, extension) != format.extensions.end()) return format;
  }
  if (kind == DatasetKind::kText && extension == ".txt") return kTextFormat;
  const std::string head = file_head(path);
  for (const Format& format : formats()) {
    if (format.looks_like != nullptr && format.looks_like(head)) return format;
  }
  return kTextFormat;
}

std::vector<DatasetFormat> dataset_formats() {
  std::vector<DatasetFormat> list;
  for (const Format& format : formats()) list.push_back({format.name, format.description});
  return list;
}

}  // namespace bantam
