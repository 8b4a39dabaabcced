#pragma once

#include "runtime/ops/window.h"

namespace bantam {

// A convolution of [batch, groups * in_channels, ...] with a weight [groups * out_channels, in_channels,
// ...].
struct ConvShape {
  Window window;
  std::int64_t batch = 0, groups = 0, in_channels = 0, out_channels = 0;  // channels per group
  Shape output;
};
ConvShape conv_shape(const WindowAttributes& attributes, std::int64_t groups, const Shape& x, const Shape& w);

}  // namespace bantam
