#include "quantize/sparse_source.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace bantam {
namespace {

class SparseSource final : public TensorSource {
 public:
  SparseSource(TensorSourcePtr source, TensorSourcePtr scored, std::vector<float> columns, double share)
      : source_(std::move(source)),
        scored_(std::move(scored)),
        columns_(std::move(columns)),
        zeros_(static_cast<std::size_t>(zeros_per_row(share, spec().width()))) {
    BANTAM_ASSERT(is_float(spec().dtype) && is_float(scored_->spec().dtype) && share >= 0 && share < 1 &&
                  scored_->spec().shape == spec().shape &&
                  (columns_.empty() || std::ssize(columns_) == spec().width()));
  }

  const TensorSpec& spec() const override { return source_->spec(); }

  void read(RowRange rows, std::span<std::byte> out) const override {
    source_->read(rows, out);
    if (zeros_ == 0) return;
    const auto width = static_cast<std::size_t>(spec().width());
    const auto size = static_cast<std::size_t>(byte_size(spec().dtype, 1));
    const auto count = static_cast<std::size_t>(rows.count());
    std::vector<std::byte> scratch;
    std::vector<float> scores(count * width);
    read_as_float(*scored_, rows, scratch, scores);
    std::vector<std::uint32_t> order(width);
    for (std::size_t r = 0; r < count; ++r) {
      float* score = scores.data() + r * width;
      for (std::size_t k = 0; k < width; ++k) {
        score[k] = std::abs(score[k]) * (columns_.empty() ? 1.0F : columns_[k]);
        if (std::isnan(score[k])) score[k] = std::numeric_limits<float>::infinity();
      }
      std::iota(order.begin(), order.end(), 0U);
      std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(zeros_), order.end(),
                       [&](std::uint32_t a, std::uint32_t b) {
                         return score[a] != score[b] ? score[a] < score[b] : a < b;
                       });
      // All bits zero is zero in every floating-point type.
      for (std::size_t i = 0; i < zeros_; ++i)
        std::memset(out.data() + (r * width + order[i]) * size, 0, size);
    }
  }

 private:
  TensorSourcePtr source_, scored_;
  std::vector<float> columns_;
  std::size_t zeros_;
};

}  // namespace

std::int64_t zeros_per_row(double share, std::int64_t width) {
  return static_cast<std::int64_t>(std::floor(share * static_cast<double>(width)));
}

TensorSourcePtr make_sparse_source(TensorSourcePtr source, TensorSourcePtr scored, std::vector<float> columns,
                                   double share) {
  return std::make_shared<SparseSource>(std::move(source), std::move(scored), std::move(columns), share);
}

}  // namespace bantam
