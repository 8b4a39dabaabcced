#include "calibrate/statistics/statistics_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/checked.h"
#include "base/error.h"
#include "calibrate/statistics/statistics_header.h"

namespace bantam {
namespace {

constexpr std::int64_t kWidestSite = std::int64_t{1} << 20;
constexpr std::int64_t kMostTexts = std::int64_t{1} << 40;
constexpr std::int64_t kMostCounted = std::int64_t{1} << 56;

// A member of an object, of the kind that is asked for.
const Json& member(const Json& json, const char* key) {
  if (!json.is_object() || !json.contains(key)) fail("is damaged: its index has no {}", quote(key));
  return json.at(key);
}
std::string text(const Json& json, const char* key) {
  const Json& value = member(json, key);
  if (!value.is_string()) fail("is damaged: {} is no text", quote(key));
  return value.get<std::string>();
}
std::int64_t counted(const Json& value, std::string_view what, std::int64_t most) {
  if (!value.is_number_integer() || value < 0 || value > most)
    fail("is damaged: {} of {}", what, value.dump());
  return value.get<std::int64_t>();
}
std::int64_t number(const Json& json, const char* key, std::int64_t most) {
  return counted(member(json, key), key, most);
}
float real(const Json& json, const char* key) {
  const Json& value = member(json, key);
  if (!value.is_number()) fail("is damaged: {} is no number", quote(key));
  const auto result = value.get<float>();
  if (!(std::abs(result) <= kLargestActivation)) fail("is damaged: {} is {}", key, value.dump());
  return result;
}
const Json& list(const Json& json, const char* key) {
  const Json& value = member(json, key);
  if (!value.is_array()) fail("is damaged: {} is no list", quote(key));
  return value;
}

std::vector<CoveredData> read_data(const Json& json) {
  std::vector<CoveredData> all;
  for (const Json& entry : list(json, "data")) {
    CoveredData data{text(entry, "sha256"),
                     text(entry, "name"),
                     number(entry, "texts", kMostTexts),
                     number(entry, "tokens", kMostTexts),
                     {}};
    std::int64_t last = -1;
    for (const Json& range : list(entry, "blocks")) {
      if (!range.is_array() || range.size() != 2) fail("is damaged: a range of blocks is no pair");
      const std::int64_t begin = counted(range[0], "a block", kMostTexts),
                         end = counted(range[1], "a block", kMostTexts);
      if (begin <= last || end <= begin || end > ceil_div(data.texts, kTextsPerBlock)) {
        fail("is damaged: blocks {} to {}", begin, end);
      }
      data.blocks.emplace_back(begin, end);
      last = end;
    }
    if (!all.empty() && all.back().digest >= data.digest) fail("is damaged: its data are not in order");
    all.push_back(std::move(data));
  }
  return all;
}

}  // namespace

// Reads the index into a StatisticsFile.
struct StatisticsIndex {
  StatisticsFile& file;
  std::int64_t end;  // of the tensors
  // What each tensor must be, by its name.
  std::map<std::string, std::pair<std::string_view, std::vector<std::int64_t>>> expected = {};

  void read(const Json& json) {
    StatisticsInfo& info = file.info_;
    info.tool = text(json, "tool");
    const Json& model = member(json, "model");
    info.family = text(model, "family");
    info.task = text(model, "task");
    info.fingerprint = text(model, "fingerprint");
    for (const Json& word : list(json, "collected")) {
      const auto kinds = statistics_kinds();
      const auto known = std::ranges::find_if(kinds, [&](const StatisticsKindInfo& kind) {
        return word.is_string() && word.get<std::string>() == kind.name;
      });
      if (known == kinds.end()) fail("is damaged: it collected {}", word.dump());
      set(info.collected, known->kind);
    }
    info.data = read_data(json);
    for (const Json& entry : list(json, "sites")) read_site(entry);
    read_tensors(json);
  }

  void read_site(const Json& json) {
    Site site{{}, number(json, "width", kWidestSite)};
    for (const Json& weight : list(json, "weights")) {
      if (!weight.is_string()) fail("is damaged: the name of a weight is no text");
      site.weights.push_back(weight.get<std::string>());
    }
    StatisticsFile::Entry entry;
    entry.rows = number(json, "rows", std::int64_t{1} << 50);
    entry.batches = number(json, "batches", kMostBatches);
    entry.low = real(json, "min");
    entry.high = real(json, "max");
    if (entry.low > entry.high || site.width == 0) fail("is damaged: site {}", file.entries_.size());
    if (file.info_.collected.ranges)
      entry.histogram_first = number(json, "histogram_first", Histogram::kBins);
    file.info_.sites.push_back(std::move(site));
    file.entries_.push_back(entry);
  }

  void read_tensors(const Json& json) {
    std::int64_t offset = kStatisticsHeader;
    for (const Json& entry : list(json, "tensors")) {
      const std::string name = text(entry, "name");
      const std::int64_t bytes = number(entry, "bytes", end);
      if (number(entry, "offset", end) != offset || bytes > end - offset) {
        fail("is damaged: {} does not follow the tensor before it", quote(name));
      }
      check_tensor(name, text(entry, "dtype"), list(entry, "shape"), bytes);
      if (!file.tensors_.emplace(name, StatisticsFile::Place{offset, bytes}).second) {
        fail("is damaged: two tensors are named {}", quote(name));
      }
      offset = round_up(offset + bytes, kStatisticsAlignment);
    }
    if (offset != end) fail("is damaged: {} bytes belong to no tensor", end - offset);
    const Collected& collected = file.info_.collected;
    for (std::size_t i = 0; i < file.entries_.size(); ++i) {
      if (collected.ranges) require(i, {"histogram", "weighted"});
      if (collected.moments) require(i, {"absmax", "sums", "squares"});
    }
  }

  void require(std::size_t site, std::initializer_list<std::string_view> leaves) const {
    for (const std::string_view leaf : leaves) {
      if (!file.tensors_.contains(fmt::format("{}/{}", site, leaf)))
        fail("is damaged: it lacks {} of site {}", leaf, site);
    }
  }

  void check_tensor(const std::string& name, const std::string& dtype, const Json& shape,
                    std::int64_t bytes) const {
    const auto wrong = [&] {
      fail("is damaged: tensor {} of {} bytes, {}", quote(name), bytes, shape.dump());
    };
    const std::size_t slash = name.find('/');
    std::size_t site = 0;
    if (slash == std::string::npos || slash == 0 || slash > 9) wrong();
    for (const char digit : std::string_view(name).substr(0, slash)) {
      if (digit < '0' || digit > '9') wrong();
      site = site * 10 + static_cast<std::size_t>(digit - '0');
    }
    if (site >= file.entries_.size() || std::to_string(site).size() != slash) wrong();
    const std::string leaf = name.substr(slash + 1);
    const std::int64_t width = file.info_.sites[site].width;
    std::int64_t count = -1;
    std::string_view wanted = "I64";
    std::vector<std::int64_t> dims;
    if (leaf == "histogram" || leaf == "weighted") {
      count = shape.size() == 1
                  ? counted(shape[0], "bins", Histogram::kBins - file.entries_[site].histogram_first)
                  : -1;
      dims = {count};
    } else if (leaf == "absmax") {
      count = width;
      wanted = "F32";
      dims = {width};
    } else if (leaf == "sums" || leaf == "squares") {
      count = 2 * width;
      dims = {width, 2};
    } else if (leaf.starts_with("products/")) {
      bool known = false;
      for (int bin = TriangleSums::kLowestBin; bin <= TriangleSums::kHighestBin; ++bin) {
        known |= leaf == fmt::format("products/{}", bin);
      }
      if (!known) wrong();
      count = triangle_size(width);
      dims = {count};
    }
    if (count < 0 || dtype != wanted || shape != Json(dims) || bytes != count * (wanted == "F32" ? 4 : 8))
      wrong();
  }
};

StatisticsFile StatisticsFile::open(const std::filesystem::path& path) {
  StatisticsFile file;
  file.file_ = std::make_shared<const File>(File::open_read(path));
  with_context(path.string(), [&] {
    std::array<std::byte, kStatisticsHeader> header{};
    const std::int64_t size = file.file_->size();
    if (size < kStatisticsHeader) fail("is not a file of statistics; bantam calibrate makes one");
    file.file_->read_at(0, header);
    const IndexPlace place = parse_statistics_header(header, size);
    std::string index(static_cast<std::size_t>(place.bytes), '\0');
    file.file_->read_at(place.offset, std::as_writable_bytes(std::span(index)));
    check_index(header, index);
    StatisticsIndex{file, place.offset}.read(parse_json(index, {.max_bytes = kLargestIndex, .max_depth = 8}));
  });
  return file;
}

template <typename T>
std::vector<T> StatisticsFile::read(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return {};
  std::vector<T> values(static_cast<std::size_t>(found->second.bytes) / sizeof(T));
  file_->read_at(found->second.offset, std::as_writable_bytes(std::span(values)));
  return values;
}

SiteStatistics StatisticsFile::channels(std::size_t site) const {
  const Entry& entry = entries_.at(site);
  const auto wrong = [&](std::string_view what) {
    fail("{}: is damaged: {} of site {}", path().string(), what, site);
  };
  SiteStatistics statistics(info_.sites[site].width, info_.collected);
  statistics.rows = entry.rows;
  statistics.batches = entry.batches;
  if (entry.rows > 0) {
    statistics.low = entry.low;
    statistics.high = entry.high;
  }
  const auto counts = [&](std::string_view leaf, std::vector<std::int64_t>& all) {
    const std::vector<std::int64_t> some = read<std::int64_t>(fmt::format("{}/{}", site, leaf));
    if (std::ranges::any_of(some, [](std::int64_t count) { return count < 0 || count > kMostCounted; }))
      wrong(leaf);
    std::ranges::copy(some, all.begin() + entry.histogram_first);
  };
  if (info_.collected.ranges) {
    counts("histogram", statistics.histogram);
    counts("weighted", statistics.weighted);
  }
  if (info_.collected.moments) {
    statistics.absmax = read<float>(fmt::format("{}/absmax", site));
    if (!std::ranges::all_of(statistics.absmax, [](float v) { return v >= 0 && v <= kLargestActivation; }))
      wrong("absmax");
    std::ranges::copy(read<std::int64_t>(fmt::format("{}/sums", site)), statistics.sums.words().begin());
    std::ranges::copy(read<std::int64_t>(fmt::format("{}/squares", site)),
                      statistics.squares.words().begin());
    for (std::int64_t k = 0; k < statistics.squares.channels(); ++k) {
      if (statistics.squares.at(k) < 0) wrong("squares");
    }
  }
  return statistics;
}

TriangleSums StatisticsFile::products(std::size_t site) const {
  TriangleSums sums(info_.sites.at(site).width);
  for (int bin = TriangleSums::kLowestBin; bin <= TriangleSums::kHighestBin; ++bin) {
    std::vector<std::int64_t> values = read<std::int64_t>(fmt::format("{}/products/{}", site, bin));
    if (!values.empty()) sums.bins()[bin] = std::move(values);
  }
  return sums;
}

}  // namespace bantam
