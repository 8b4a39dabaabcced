#pragma once

#include <cstdint>
#include <span>

#include "base/parallel.h"
#include "runtime/kernels/kernels.h"

namespace bantam {

// The uint8 grid of DynamicQuantizeLinear: it spans the values and 0, and 0 lies on it.
struct DynamicRange {
  float scale = 1.0f;
  std::uint8_t zero = 0;
};
DynamicRange dynamic_range(std::span<const float> values, const Kernels& kernels, ThreadPool& pool);

}  // namespace bantam
