#include <algorithm>

#include "base/error.h"
#include "graph/codec.h"

namespace bantam {
namespace {

constexpr auto kLow = std::byte{15};

// 8-bit codes to their upper and lower halves, two to a byte, low bits first.
void split(std::span<const std::byte> codes, std::span<std::byte> high, std::span<std::byte> low) {
  BANTAM_ASSERT(codes.size() == 2 * high.size() && codes.size() == 2 * low.size());
  for (std::size_t i = 0; i < high.size(); ++i) {
    const std::byte first = codes[2 * i], second = codes[2 * i + 1];
    high[i] = (first >> 4) | (second & ~kLow);
    low[i] = (first & kLow) | (second << 4);
  }
}

void join(std::span<const std::byte> high, std::span<const std::byte> low, std::span<std::byte> codes) {
  for (std::size_t i = 0; i < high.size(); ++i) {
    codes[2 * i] = (high[i] << 4) | (low[i] & kLow);
    codes[2 * i + 1] = (high[i] & ~kLow) | (low[i] >> 4);
  }
}

class DigitsCodec final : public Codec {
 public:
  explicit DigitsCodec(CodecPtr codec) : codec_(std::move(codec)) { BANTAM_ASSERT(!codec_->is_raw()); }

  std::string key() const override { return codec_->key() + "/digits"; }

  std::vector<PartSpec> parts(const TensorSpec& weight) const override {
    std::vector<PartSpec> specs = codec_->parts(weight);
    PartSpec high = specs.at(0);
    BANTAM_ASSERT(high.dtype == DType::kU8 && !high.shape.empty() && high.shape.back() % 2 == 0);
    high.shape.back() /= 2;
    PartSpec low = high;
    high.suffix += "_high";
    low.suffix += "_low";
    specs[0] = std::move(high);
    specs.insert(specs.begin() + 1, std::move(low));
    return specs;
  }

  void encode(std::span<const float> rows, std::int64_t width,
              std::span<const std::span<std::byte>> parts) const override {
    std::vector<std::byte> codes(parts[0].size() * 2);
    std::vector<std::span<std::byte>> inner(parts.begin() + 1, parts.end());
    inner[0] = codes;
    codec_->encode(rows, width, inner);
    split(codes, parts[0], parts[1]);
  }

  void decode(std::span<const std::span<const std::byte>> parts, std::int64_t width,
              std::span<float> rows) const override {
    std::vector<std::byte> codes(parts[0].size() * 2);
    join(parts[0], parts[1], codes);
    std::vector<std::span<const std::byte>> inner(parts.begin() + 1, parts.end());
    inner[0] = codes;
    codec_->decode(inner, width, rows);
  }

 private:
  CodecPtr codec_;
};

}  // namespace

CodecPtr digits_codec(CodecPtr codec) {
  return std::make_shared<DigitsCodec>(std::move(codec));
}

}  // namespace bantam
