#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "quantize/statistics.h"

namespace bantam::testing {

// Statistics of a linear's input that a test made up or read itself.
class KnownInput final : public InputStatistics {
 public:
  KnownInput(std::int64_t width, std::vector<float> hessian) : width_(width), hessian_(std::move(hessian)) {
    for (std::int64_t k = 0; k < width; ++k)
      moments_.push_back(hessian_[static_cast<std::size_t>(k * width + k)]);
  }
  std::int64_t width() const override { return width_; }
  std::int64_t samples() const override { return 1 << 24; }
  std::span<const float> second_moments() const override { return moments_; }
  std::span<const float> absmax() const override { return {}; }
  float lowest() const override { return 0; }
  float highest() const override { return 0; }
  bool has_hessian() const override { return true; }
  void read_hessian(std::span<float> out) const override {
    ++reads;
    std::copy(hessian_.begin(), hessian_.end(), out.begin());
  }

  mutable int reads = 0;

 private:
  std::int64_t width_;
  std::vector<float> hessian_, moments_;
};

}  // namespace bantam::testing
