#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/checked.h"
#include "base/error.h"
#include "calibrate/statistics/statistics_file.h"
#include "calibrate/statistics/statistics_header.h"

namespace bantam {

StatisticsWriter::StatisticsWriter(const File& file)
    : file_(file),
      offset_(kStatisticsHeader),
      tensors_(std::make_unique<Json>(Json::array())),
      sites_(std::make_unique<Json>(Json::array())) {}
StatisticsWriter::~StatisticsWriter() = default;

void StatisticsWriter::add(std::string name, DType dtype, std::span<const std::byte> bytes,
                           std::vector<std::int64_t> shape) {
  file_.write_at(offset_, bytes);
  tensors_->push_back({{"name", std::move(name)},
                       {"dtype", info(dtype).safetensors},
                       {"shape", std::move(shape)},
                       {"offset", offset_},
                       {"bytes", std::ssize(bytes)}});
  const std::int64_t end = offset_ + std::ssize(bytes);
  offset_ = round_up(end, kStatisticsAlignment);
  const std::array<std::byte, kStatisticsAlignment> zeros{};
  file_.write_at(end, std::span(zeros).first(static_cast<std::size_t>(offset_ - end)));
}

void StatisticsWriter::products(std::size_t site, const TriangleSums& sums) {
  for (const auto& [bin, values] : sums.bins()) {
    add(fmt::format("{}/products/{}", site, bin), DType::kI64, std::as_bytes(std::span(values)),
        {std::ssize(values)});
  }
}

void StatisticsWriter::channels(std::size_t site, const SiteStatistics& statistics) {
  BANTAM_ASSERT(site == sites_->size());
  Json entry = {{"rows", statistics.rows}, {"batches", statistics.batches}, {"min", 0.0f}, {"max", 0.0f}};
  if (statistics.rows > 0) {
    entry["min"] = statistics.low;
    entry["max"] = statistics.high;
  }
  if (!statistics.histogram.empty()) {
    const auto counted = [](std::int64_t count) { return count != 0; };
    const auto& counts = statistics.histogram;
    const auto first = std::ranges::find_if(counts, counted) - counts.begin();
    const auto last = counts.rend() - std::find_if(counts.rbegin(), counts.rend(), counted);
    const auto length = std::max<std::ptrdiff_t>(last - first, 0);
    entry["histogram_first"] = length > 0 ? first : 0;
    const auto trimmed = [&](const std::vector<std::int64_t>& values) {
      return std::as_bytes(std::span(values).subspan(static_cast<std::size_t>(length > 0 ? first : 0),
                                                     static_cast<std::size_t>(length)));
    };
    add(fmt::format("{}/histogram", site), DType::kI64, trimmed(counts), {length});
    add(fmt::format("{}/weighted", site), DType::kI64, trimmed(statistics.weighted), {length});
  }
  if (!statistics.squares.empty()) {
    const std::int64_t width = statistics.squares.channels();
    add(fmt::format("{}/absmax", site), DType::kF32, std::as_bytes(std::span(statistics.absmax)), {width});
    add(fmt::format("{}/sums", site), DType::kI64, std::as_bytes(statistics.sums.words()), {width, 2});
    add(fmt::format("{}/squares", site), DType::kI64, std::as_bytes(statistics.squares.words()), {width, 2});
  }
  sites_->push_back(std::move(entry));
}

void StatisticsWriter::finish(const StatisticsInfo& info) {
  BANTAM_ASSERT(sites_->size() == info.sites.size());
  Json json;
  json["tool"] = info.tool;
  json["model"] = {{"family", info.family}, {"task", info.task}, {"fingerprint", info.fingerprint}};
  json["collected"] = Json::array();
  for (const StatisticsKindInfo& kind : statistics_kinds()) {
    if (has(info.collected, kind.kind)) json["collected"].push_back(kind.name);
  }
  json["data"] = Json::array();
  for (const CoveredData& data : info.data) {
    Json blocks = Json::array();
    for (const auto& [begin, end] : data.blocks) blocks.push_back({begin, end});
    json["data"].push_back({{"sha256", data.digest},
                            {"name", data.name},
                            {"texts", data.texts},
                            {"tokens", data.tokens},
                            {"blocks", std::move(blocks)}});
  }
  for (std::size_t i = 0; i < info.sites.size(); ++i) {
    (*sites_)[i]["weights"] = info.sites[i].weights;
    (*sites_)[i]["width"] = info.sites[i].width;
  }
  json["sites"] = std::move(*sites_);
  json["tensors"] = std::move(*tensors_);
  std::string text;
  try {
    text = json.dump();
  } catch (const Json::exception&) {
    fail("the name of a weight is not UTF-8");
  }
  file_.write_at(offset_, std::as_bytes(std::span(text)));
  const std::array<std::byte, kStatisticsHeader> header = statistics_header(offset_, text);
  file_.write_at(0, header);
}

}  // namespace bantam
