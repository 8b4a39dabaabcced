#include "pipeline/calibrate/weight_noise.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"

namespace bantam {

double weight_noise(const Weight& weight, std::span<const float> moments) {
  constexpr std::int64_t kTile = 256 * 1024;
  const TensorSpec& spec = weight.source->spec();
  const std::int64_t width = spec.width(), rows = spec.rows();
  BANTAM_ASSERT(moments.empty() || std::ssize(moments) == width);
  const std::int64_t step = std::max<std::int64_t>(1, kTile / std::max<std::int64_t>(width, 1));
  const std::vector<PartSpec> specs = weight.codec->parts(spec);
  std::vector<std::byte> raw;
  double noise = 0, signal = 0;
  for (std::int64_t first = 0; first < rows; first += step) {
    check_cancelled();
    const std::int64_t count = std::min(step, rows - first);
    std::vector<float> values(static_cast<std::size_t>(count * width)), decoded(values.size());
    read_as_float(*weight.source, {first, first + count}, raw, values);
    std::vector<std::vector<std::byte>> parts;
    for (const PartSpec& part : specs)
      parts.emplace_back(static_cast<std::size_t>(part.bytes() / rows * count));
    weight.codec->encode(values, width, std::vector<std::span<std::byte>>(parts.begin(), parts.end()));
    weight.codec->decode(std::vector<std::span<const std::byte>>(parts.begin(), parts.end()), width, decoded);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double m = moments.empty() ? 1.0 : moments[i % static_cast<std::size_t>(width)];
      const double value = values[i], difference = value - decoded[i];
      noise += m * difference * difference;
      signal += m * value * value;
    }
  }
  return signal > 0 ? noise / signal : 0;
}

}  // namespace bantam
