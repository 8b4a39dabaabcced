#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "quantize/codec.h"
#include "quantize/codecs/finite.h"
#include "quantize/codecs/kernels.h"

namespace bantam {
namespace {

class Uint8ChannelCodec final : public Codec {
 public:
  std::string key() const override { return "uint8/channel/asymmetric"; }

  std::vector<PartSpec> parts(const TensorSpec& weight) const override {
    return {{"_quantized", DType::kU8, {weight.width(), weight.rows()}, true},
            {"_scale", DType::kF32, {weight.rows()}, false},
            {"_zero_point", DType::kU8, {weight.rows()}, false}};
  }

  void encode(std::span<const float> rows, std::int64_t width,
              std::span<const std::span<std::byte>> parts) const override {
    if (rows.empty()) return;
    const std::size_t columns = static_cast<std::size_t>(width), count = rows.size() / columns;
    BANTAM_ASSERT(parts.size() == 3 && parts[0].size() == rows.size() &&
                  parts[1].size() == count * sizeof(float) && parts[2].size() == count);
    const CodecKernels& kernels = codec_kernels();
    auto* codes = reinterpret_cast<std::uint8_t*>(parts[0].data());
    auto* scales = reinterpret_cast<float*>(parts[1].data());
    auto* zero_points = reinterpret_cast<std::uint8_t*>(parts[2].data());
    for (std::size_t row = 0; row < count; ++row) {
      const std::span<const float> values = rows.subspan(row * columns, columns);
      require_magnitudes(values, width, std::numeric_limits<float>::max());
      float lowest = 0.0f, highest = 0.0f;
      kernels.extend_range(values.data(), width, &lowest, &highest);
      // In double: the range of two floats need not be a float.
      const double range = static_cast<double>(highest) - static_cast<double>(lowest);
      const float scale =
          range == 0.0 ? 1.0f
                       : std::max(static_cast<float>(range / 255.0), std::numeric_limits<float>::min());
      const int zero_point = std::clamp(static_cast<int>(std::nearbyint(-lowest / scale)), 0, 255);
      scales[row] = scale;
      zero_points[row] = static_cast<std::uint8_t>(zero_point);
      kernels.encode_row(values.data(), width, 1.0f / scale, zero_point, 0, 255, codes + row * columns);
    }
  }

  void decode(std::span<const std::span<const std::byte>> parts, std::int64_t width,
              std::span<float> rows) const override {
    if (rows.empty()) return;
    const std::size_t columns = static_cast<std::size_t>(width), count = rows.size() / columns;
    BANTAM_ASSERT(parts.size() == 3 && parts[0].size() == rows.size() &&
                  parts[1].size() == count * sizeof(float) && parts[2].size() == count);
    const auto* codes = reinterpret_cast<const std::uint8_t*>(parts[0].data());
    const auto* scales = reinterpret_cast<const float*>(parts[1].data());
    const auto* zero_points = reinterpret_cast<const std::uint8_t*>(parts[2].data());
    for (std::size_t row = 0; row < count; ++row) {
      const int zero_point = zero_points[row];
      for (std::size_t i = row * columns; i < (row + 1) * columns; ++i) {
        rows[i] = static_cast<float>(codes[i] - zero_point) * scales[row];
      }
    }
  }
};

}  // namespace

CodecPtr uint8_channel_codec() {
  static const CodecPtr codec = std::make_shared<Uint8ChannelCodec>();
  return codec;
}

}  // namespace bantam
