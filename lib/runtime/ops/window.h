#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/op.h"

namespace bantam {

// The attributes that convolutions and poolings share: a window that moves over the spatial axes of [N, C,
// ...].
struct WindowAttributes {
  enum class AutoPad { kNotSet, kSameUpper, kSameLower, kValid };
  std::vector<std::int64_t> kernel, strides, dilations;  // empty: all 1 (kernel: taken from the weight)
  std::vector<std::int64_t> pads;                        // begins, then ends; empty: none
  AutoPad auto_pad = AutoPad::kNotSet;
  bool ceil_mode = false;
};
WindowAttributes read_window(OpNode& node);

// The window on one input, all lists as long as there are spatial axes.
struct Window {
  std::vector<std::int64_t> input, kernel, strides, dilations, pads_begin, pads_end, output;

  std::int64_t positions() const;  // product of output
  std::int64_t taps() const;       // product of kernel
};
// Checks everything against hostile values: positive strides, sizes that fit, an output that is not negative.
Window place_window(const WindowAttributes& attributes, std::vector<std::int64_t> kernel, const Shape& input);

// Walks all index tuples of `dims` in row-major order.
class Odometer {
 public:
  explicit Odometer(std::vector<std::int64_t> dims) : dims_(std::move(dims)), index_(dims_.size(), 0) {}
  const std::vector<std::int64_t>& index() const { return index_; }
  void seek(std::int64_t position) {
    for (std::size_t d = dims_.size(); d-- > 0;) {
      index_[d] = position % dims_[d];
      position /= dims_[d];
    }
  }
  void next() {
    for (std::size_t d = dims_.size(); d-- > 0;) {
      if (++index_[d] < dims_[d]) return;
      index_[d] = 0;
    }
  }

 private:
  std::vector<std::int64_t> dims_;
  std::vector<std::int64_t> index_;
};

// Offset inside one channel plane of tap `tap` for the output position `at`; nothing when it lies in the
// padding.
std::optional<std::int64_t> tap_offset(const Window& window, const std::vector<std::int64_t>& at,
                                       const std::vector<std::int64_t>& tap);

}  // namespace bantam
