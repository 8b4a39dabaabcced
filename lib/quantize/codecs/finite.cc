#include "quantize/codecs/finite.h"

#include <cmath>

#include "base/convert_kernels.h"
#include "base/error.h"

namespace bantam {

float require_magnitudes(std::span<const float> rows, std::int64_t width, float limit) {
  const float largest = convert_kernels().max_abs(rows.data(), static_cast<std::int64_t>(rows.size()));
  if (largest <= limit && std::isfinite(largest)) return largest;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto column = static_cast<std::int64_t>(i) % width;
    if (!std::isfinite(rows[i])) {
      fail("{} in column {} cannot be quantized: repair the checkpoint or keep this tensor in floating point",
           rows[i], column);
    }
    if (std::abs(rows[i]) > limit) {
      fail(
          "{} in column {} is too large to be quantized (limit {}: the scale must fit float16); keep this "
          "tensor "
          "in floating point",
          rows[i], column, limit);
    }
  }
  return largest;
}

}  // namespace bantam
