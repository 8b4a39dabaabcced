#include "runtime/ops/dynamic_quantize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/ops/common.h"

namespace bantam {

DynamicRange dynamic_range(std::span<const float> values, const Kernels& kernels, ThreadPool& pool) {
  const std::int64_t count = std::ssize(values);
  const std::int64_t pieces = std::max<std::int64_t>(1, ceil_div(count, kElementGrain));
  std::vector<float> lows(static_cast<std::size_t>(pieces));
  std::vector<float> highs(static_cast<std::size_t>(pieces));
  pool.run(pieces, [&](std::int64_t piece, int) {
    const std::int64_t begin = piece * kElementGrain;
    const auto i = static_cast<std::size_t>(piece);
    kernels.vector.min_max(values.data() + begin, std::min(kElementGrain, count - begin), &lows[i],
                           &highs[i]);
  });
  const float low = std::min(0.0f, *std::min_element(lows.begin(), lows.end()));
  const float high = std::max(0.0f, *std::max_element(highs.begin(), highs.end()));
  DynamicRange range;
  if (low == high) return range;  // nothing but zeros
  range.scale = (high - low) / 255.0f;
  range.zero = static_cast<std::uint8_t>(std::nearbyint(std::clamp(-low / range.scale, 0.0f, 255.0f)));
  return range;
}

}  // namespace bantam
