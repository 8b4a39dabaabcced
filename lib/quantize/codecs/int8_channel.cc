#include <algorithm>
#include <limits>

#include "base/error.h"
#include "quantize/codec.h"
#include "quantize/codecs/finite.h"
#include "quantize/codecs/kernels.h"

namespace bantam {
namespace {

class Int8ChannelCodec final : public Codec {
 public:
  std::string key() const override { return "int8/channel/symmetric"; }

  std::vector<PartSpec> parts(const TensorSpec& weight) const override {
    return {{"_quantized", DType::kI8, {weight.width(), weight.rows()}, true},
            {"_scale", DType::kF32, {weight.rows()}, false}};
  }

  void encode(std::span<const float> rows, std::int64_t width,
              std::span<const std::span<std::byte>> parts) const override {
    if (rows.empty()) return;
    const std::size_t columns = static_cast<std::size_t>(width), count = rows.size() / columns;
    BANTAM_ASSERT(parts.size() == 2 && parts[0].size() == rows.size() &&
                  parts[1].size() == count * sizeof(float));
    const CodecKernels& kernels = codec_kernels();
    auto* codes = reinterpret_cast<std::uint8_t*>(parts[0].data());
    auto* scales = reinterpret_cast<float*>(parts[1].data());
    for (std::size_t row = 0; row < count; ++row) {
      const std::span<const float> values = rows.subspan(row * columns, columns);
      const float largest = require_magnitudes(values, width, std::numeric_limits<float>::max());
      const float scale =
          largest == 0.0f ? 1.0f : std::max(largest / 127.0f, std::numeric_limits<float>::min());
      scales[row] = scale;
      kernels.encode_row(values.data(), width, 1.0f / scale, 0, -127, 127, codes + row * columns);
    }
  }

  void decode(std::span<const std::span<const std::byte>> parts, std::int64_t width,
              std::span<float> rows) const override {
    if (rows.empty()) return;
    const std::size_t columns = static_cast<std::size_t>(width), count = rows.size() / columns;
    BANTAM_ASSERT(parts.size() == 2 && parts[0].size() == rows.size() &&
                  parts[1].size() == count * sizeof(float));
    const auto* codes = reinterpret_cast<const std::int8_t*>(parts[0].data());
    const auto* scales = reinterpret_cast<const float*>(parts[1].data());
    for (std::size_t row = 0; row < count; ++row) {
      for (std::size_t i = row * columns; i < (row + 1) * columns; ++i) {
        rows[i] = static_cast<float>(codes[i]) * scales[row];
      }
    }
  }
};

}  // namespace

CodecPtr int8_channel_codec() {
  static const CodecPtr codec = std::make_shared<Int8ChannelCodec>();
  return codec;
}

}  // namespace bantam
