#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "calibrate/statistics/sites.h"
#include "calibrate/statistics/statistics_data.h"
#include "runtime/memory.h"
#include "runtime/session.h"

namespace bantam {

// Adds what a float graph's linears read to the statistics of their sites. One batch at a time:
// begin_batch(), session.run(inputs, &collector), which works with and without fusions. What is added depends
// on the batch alone, never on the number of threads.
class Collector final : public Observer {
 public:
  // `importance` holds channel_importance() per site where ranges are collected. All must outlive the
  // collector.
  Collector(const Sites& sites, const Collected& collected,
            const std::vector<std::vector<std::int32_t>>& importance, int threads);
  ~Collector() override;

  // Which sites' products are gathered from now on (one entry per site), where hessians are collected.
  void want_products(std::vector<bool> wanted) { wanted_products_ = std::move(wanted); }
  // Whether ranges and moments are gathered from now on.
  void want_channels(bool wanted) { wanted_channels_ = wanted; }

  // `mask` says which of the batch * length tokens are text; padding is not counted.
  void begin_batch(std::int64_t batch, std::int64_t length, std::vector<std::uint8_t> mask);
  void node(const Node& node, std::span<const Tensor* const> inputs,
            std::span<const Tensor* const> outputs) override;

  // True when a site of this batch saw NaN, infinity or a value beyond kLargestActivation; nothing of that
  // site was added.
  bool nonfinite() const { return nonfinite_; }

  std::vector<SiteStatistics>& statistics() { return statistics_; }

 private:
  struct Worker;
  void add(std::size_t site, const float* rows, std::int64_t count);
  bool add_values(std::size_t site, const float* rows, std::int64_t count);
  double add_channels(std::size_t site, const float* rows, std::int64_t count);
  void add_products(std::size_t site, const float* rows, std::int64_t count, double largest);

  const Sites& sites_;
  Collected collected_;
  const std::vector<std::vector<std::int32_t>>& importance_;
  ThreadPool pool_;
  Memory memory_;
  std::vector<Worker> workers_;
  std::vector<SiteStatistics> statistics_;
  std::vector<bool> wanted_products_;
  bool wanted_channels_ = true;
  std::int64_t batch_ = 0, length_ = 0;
  std::vector<std::uint8_t> mask_;
  bool padded_ = false;
  std::vector<float> gathered_;
  bool nonfinite_ = false;
};

}  // namespace bantam
