#include "pipeline/calibrate/measured_statistics.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "calibrate/statistics/fingerprint.h"

namespace bantam {
namespace {

using FilePtr = std::shared_ptr<const StatisticsFile>;

class MeasuredInput final : public InputStatistics {
 public:
  MeasuredInput(FilePtr file, std::size_t site) : file_(std::move(file)), site_(site) {
    SiteStatistics statistics = file_->channels(site);
    rows_ = statistics.rows;
    low_ = statistics.low;
    high_ = statistics.high;
    absmax_ = std::move(statistics.absmax);
    for (std::int64_t k = 0; k < statistics.squares.channels(); ++k) {
      moments_.push_back(static_cast<float>(statistics.squares.at(k) / static_cast<double>(rows_)));
    }
  }

  std::int64_t width() const override { return file_->info().sites[site_].width; }
  std::int64_t samples() const override { return rows_; }
  std::span<const float> second_moments() const override { return moments_; }
  std::span<const float> absmax() const override { return absmax_; }
  float lowest() const override { return low_; }
  float highest() const override { return high_; }
  bool has_hessian() const override { return file_->info().collected.hessians; }
  void read_hessian(std::span<float> out) const override {
    file_->products(site_).read(1.0 / static_cast<double>(rows_), out);
  }

 private:
  FilePtr file_;
  std::size_t site_;
  std::int64_t rows_ = 0;
  float low_ = 0, high_ = 0;
  std::vector<float> absmax_, moments_;
};

class MeasuredStatistics final : public Statistics {
 public:
  explicit MeasuredStatistics(const FilePtr& file) {
    for (std::size_t site = 0; site < file->info().sites.size(); ++site) {
      if (file->rows(site) == 0) continue;
      const InputStatisticsPtr input = std::make_shared<MeasuredInput>(file, site);
      for (const std::string& weight : file->info().sites[site].weights) inputs_.emplace(weight, input);
    }
  }
  InputStatisticsPtr input_of(std::string_view weight) const override {
    const auto found = inputs_.find(weight);
    return found == inputs_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::string, InputStatisticsPtr, std::less<>> inputs_;
};

}  // namespace

StatisticsFile open_statistics(const std::filesystem::path& path, const ModelGraph& model,
                               const Config& config) {
  StatisticsFile file = StatisticsFile::open(path);
  const StatisticsInfo& info = file.info();
  if (info.task != name(model.task)) {
    fail("{}: was made for the task {}, not for {}", path.string(), info.task, name(model.task));
  }
  if (info.fingerprint != model_fingerprint(model, config)) {
    fail(
        "{}: was made for another checkpoint than {}, or with another choice of --no-canonical; run bantam calibrate again",
        path.string(), config.path().parent_path().string());
  }
  return file;
}

StatisticsPtr measured_statistics(StatisticsFile file) {
  if (!file.info().collected.moments) {
    fail("{}: holds no moments; run bantam calibrate with --what moments,hessians", file.path().string());
  }
  return std::make_shared<MeasuredStatistics>(std::make_shared<const StatisticsFile>(std::move(file)));
}

ActivationRanges pick_ranges(const StatisticsFile& file, const RangePicker& picker, int threads) {
  if (!file.info().collected.ranges) {
    fail("{}: holds no ranges; run bantam calibrate with --what ranges", file.path().string());
  }
  const std::vector<Site>& sites = file.info().sites;
  std::vector<Range> chosen(sites.size());
  parallel_for(std::ssize(sites), threads, [&](std::int64_t i, int) {
    const auto site = static_cast<std::size_t>(i);
    if (file.rows(site) > 0) chosen[site] = picker.pick(file.channels(site));
  });
  ActivationRanges ranges;
  for (std::size_t site = 0; site < sites.size(); ++site) {
    if (file.rows(site) == 0) continue;
    for (const std::string& weight : sites[site].weights)
      ranges[weight] = {chosen[site].low, chosen[site].high};
  }
  return ranges;
}

}  // namespace bantam
