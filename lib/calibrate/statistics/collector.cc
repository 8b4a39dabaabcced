#include "calibrate/statistics/collector.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/error.h"
#include "base/transpose.h"
#include "runtime/kernels/gemm.h"

namespace bantam {
namespace {

constexpr std::int64_t kRowsPerPiece = 64;
constexpr std::int64_t kChannelsPerPiece = 64;

}  // namespace

// Scratch of one thread.
struct Collector::Worker {
  std::vector<std::uint32_t> counts;
  std::vector<std::int64_t> weighted;
  float low = 0, high = 0;
  bool used = false;
  std::vector<float> product;
};

Collector::Collector(const Sites& sites, const Collected& collected,
                     const std::vector<std::vector<std::int32_t>>& importance, int threads)
    : sites_(sites),
      collected_(collected),
      importance_(importance),
      pool_(threads),
      memory_(default_memory_limit()),
      workers_(static_cast<std::size_t>(threads)),
      wanted_products_(sites.list.size(), collected.hessians) {
  for (const Site& site : sites.list) statistics_.emplace_back(site.width, collected);
}

Collector::~Collector() = default;

void Collector::begin_batch(std::int64_t batch, std::int64_t length, std::vector<std::uint8_t> mask) {
  BANTAM_ASSERT(std::ssize(mask) == batch * length);
  batch_ = batch;
  length_ = length;
  padded_ = std::ranges::find(mask, std::uint8_t{0}) != mask.end();
  mask_ = std::move(mask);
  nonfinite_ = false;
}

void Collector::node(const Node& node, std::span<const Tensor* const> inputs,
                     std::span<const Tensor* const>) {
  if (node.inputs.size() < 2) return;
  const auto found = sites_.watched.find({node.inputs[0], node.inputs[1]});
  if (found == sites_.watched.end()) return;
  const std::size_t site = found->second;
  const Tensor& x = *inputs[0];
  const std::int64_t width = sites_.list[site].width;
  BANTAM_ASSERT(x.rank() > 0 && x.shape().back() == width);
  const std::int64_t rows = x.count() / std::max<std::int64_t>(width, 1);
  if (rows == 0) return;
  const float* values = x.data<float>().data();
  // One row per token, or as many rows per sequence whatever its length: a pooler's.
  if (!padded_ || rows % (batch_ * length_) != 0) return add(site, values, rows);
  const std::int64_t per_token = rows / (batch_ * length_);
  gathered_.clear();
  for (std::int64_t token = 0; token < batch_ * length_; ++token) {
    if (mask_[static_cast<std::size_t>(token)] == 0) continue;
    const float* from = values + token * per_token * width;
    gathered_.insert(gathered_.end(), from, from + per_token * width);
  }
  add(site, gathered_.data(), std::ssize(gathered_) / width);
}

void Collector::add(std::size_t site, const float* rows, std::int64_t count) {
  SiteStatistics& statistics = statistics_[site];
  if (wanted_channels_) {
    if (!add_values(site, rows, count)) {
      nonfinite_ = true;
      return;
    }
    statistics.rows += count;
    statistics.batches += 1;
    if (statistics.batches > kMostBatches)
      fail("more than {} batches: too many to add up exactly", kMostBatches);
  }
  const bool products = collected_.hessians && wanted_products_[site];
  if (!products && !(collected_.moments && wanted_channels_)) return;
  const double largest = add_channels(site, rows, count);
  if (products && largest > 0) add_products(site, rows, count, largest);
}

// Range and histograms; false, having added nothing, where a value cannot be counted.
bool Collector::add_values(std::size_t site, const float* rows, std::int64_t count) {
  const std::int64_t width = sites_.list[site].width;
  const auto& kernels_table = kernels().vector;
  for (Worker& worker : workers_) worker.used = false;
  pool_.run(ceil_div(count, kRowsPerPiece), [&](std::int64_t piece, int index) {
    Worker& worker = workers_[static_cast<std::size_t>(index)];
    const std::int64_t begin = piece * kRowsPerPiece, end = std::min(count, begin + kRowsPerPiece);
    float low = 0, high = 0;
    kernels_table.min_max(rows + begin * width, (end - begin) * width, &low, &high);
    bool fits = low >= -kLargestActivation && high <= kLargestActivation;
    // min_max() passes over NaN.
    for (const float* value = rows + begin * width; value != rows + end * width; ++value)
      fits &= !std::isnan(*value);
    if (!worker.used) {
      worker.used = true;
      worker.low = low;
      worker.high = high;
      if (collected_.ranges) {
        worker.counts.assign(Histogram::kBins, 0);
        worker.weighted.assign(Histogram::kBins, 0);
      }
    }
    worker.low = std::min(worker.low, fits ? low : -std::numeric_limits<float>::infinity());
    worker.high = std::max(worker.high, high);
    if (!fits || !collected_.ranges) return;
    const std::int32_t* importance = importance_[site].data();
    for (std::int64_t row = begin; row < end; ++row) {
      const float* values = rows + row * width;
      for (std::int64_t k = 0; k < width; ++k) {
        const auto bin = static_cast<std::size_t>(Histogram::bin(values[k]));
        worker.counts[bin] += 1;
        worker.weighted[bin] += importance[k];
      }
    }
  });
  SiteStatistics& statistics = statistics_[site];
  for (const Worker& worker : workers_) {
    if (worker.used && !std::isfinite(worker.low)) return false;
  }
  for (const Worker& worker : workers_) {
    if (!worker.used) continue;
    statistics.low = std::min(statistics.low, worker.low);
    statistics.high = std::max(statistics.high, worker.high);
    if (!collected_.ranges) continue;
    const std::int32_t first = Histogram::bin(worker.low), last = Histogram::bin(worker.high);
    for (auto b = static_cast<std::size_t>(first); b <= static_cast<std::size_t>(last); ++b) {
      statistics.histogram[b] += worker.counts[b];
      statistics.weighted[b] += worker.weighted[b];
    }
  }
  return true;
}

// Sums per channel; the largest sum of squares. Rows are added in order, whoever adds them.
double Collector::add_channels(std::size_t site, const float* rows, std::int64_t count) {
  const std::int64_t width = sites_.list[site].width;
  const bool keep = collected_.moments && wanted_channels_;
  SiteStatistics& statistics = statistics_[site];
  const std::int64_t pieces = ceil_div(width, kChannelsPerPiece);
  std::vector<double> largest(static_cast<std::size_t>(pieces));
  pool_.run(pieces, [&](std::int64_t piece, int) {
    const std::int64_t begin = piece * kChannelsPerPiece;
    const std::int64_t channels = std::min(kChannelsPerPiece, width - begin);
    double sums[kChannelsPerPiece] = {}, squares[kChannelsPerPiece] = {};
    float absmax[kChannelsPerPiece] = {};
    for (std::int64_t row = 0; row < count; ++row) {
      const float* values = rows + row * width + begin;
      for (std::int64_t k = 0; k < channels; ++k) {
        const double value = values[k];
        sums[k] += value;
        squares[k] += value * value;
        absmax[k] = std::max(absmax[k], std::abs(values[k]));
      }
    }
    largest[static_cast<std::size_t>(piece)] = *std::max_element(squares, squares + channels);
    if (!keep) return;
    for (std::int64_t k = 0; k < channels; ++k) {
      statistics.sums.add(begin + k, sums[k]);
      statistics.squares.add(begin + k, squares[k]);
      float& most = statistics.absmax[static_cast<std::size_t>(begin + k)];
      most = std::max(most, absmax[k]);
    }
  });
  return *std::ranges::max_element(largest);
}

// X^T X in strips of rows, each computed by one thread from its diagonal on.
void Collector::add_products(std::size_t site, const float* rows, std::int64_t count, double largest) {
  const std::int64_t width = sites_.list[site].width;
  const Kernels& table = kernels();
  const std::int64_t columns = table.f32.columns;
  const PackedB packed = pack_b(table, rows, width, false, count, width, memory_, pool_);
  const auto storage = memory_.allocate(width * count * static_cast<std::int64_t>(sizeof(float)));
  const TriangleSums::Target target = statistics_[site].products.target(largest);
  constexpr std::int64_t kFloat = sizeof(float);
  // Whole panels of the packed side, so that a strip begins with one.
  const std::int64_t strip = round_up(std::int64_t{48}, columns);
  auto* turned = reinterpret_cast<float*>(storage.get());
  pool_.run(ceil_div(width, strip), [&](std::int64_t piece, int index) {
    Worker& worker = workers_[static_cast<std::size_t>(index)];
    const std::int64_t begin = piece * strip, end = std::min(width, begin + strip);
    float* left = turned + begin * count;
    transpose(reinterpret_cast<const std::byte*>(rows + begin), count, end - begin, width * kFloat,
              reinterpret_cast<std::byte*>(left), count * kFloat, kFloat);
    const std::int64_t right = width - begin;
    worker.product.resize(static_cast<std::size_t>(strip * right));
    const PackedB part{&table, count, right, packed.panels + begin / columns * columns * count, nullptr};
    gemm_serial(end - begin, left, count, part, worker.product.data(), right, {});
    for (std::int64_t row = begin; row < end; ++row) {
      const float* values = worker.product.data() + (row - begin) * right - begin;
      std::int64_t* sums = target.sums.data() + triangle_row(width, row);
      for (std::int64_t column = row; column < width; ++column) {
        sums[column] +=
            static_cast<std::int64_t>(std::nearbyint(static_cast<double>(values[column]) * target.scale));
      }
    }
  });
}

}  // namespace bantam
