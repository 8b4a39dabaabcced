#include "quantize/static_ranges.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bantam {

ActivationGrid grid_of(float low, float high) {
  low = std::min(low, 0.0f);
  high = std::max(high, 0.0f);
  const double range = static_cast<double>(high) - low;
  if (range == 0) return {};
  const float scale = std::max(static_cast<float>(range / 255), std::numeric_limits<float>::min());
  const double zero = std::clamp(std::nearbyint(-static_cast<double>(low) / scale), 0.0, 255.0);
  return {scale, static_cast<std::uint8_t>(zero)};
}

}  // namespace bantam
