#include <cstring>

#include "base/error.h"
#include "graph/codec.h"

namespace bantam {
namespace {

class FloatCodec final : public Codec {
 public:
  std::string key() const override { return "float32"; }
  std::vector<PartSpec> parts(const TensorSpec& weight) const override {
    return {{"", DType::kF32, weight.shape, false}};
  }
  void encode(std::span<const float> rows, std::int64_t,
              std::span<const std::span<std::byte>> parts) const override {
    BANTAM_ASSERT(parts.size() == 1 && parts[0].size() == rows.size_bytes());
    if (!rows.empty()) std::memcpy(parts[0].data(), rows.data(), rows.size_bytes());
  }
  void decode(std::span<const std::span<const std::byte>> parts, std::int64_t,
              std::span<float> rows) const override {
    BANTAM_ASSERT(parts.size() == 1 && parts[0].size() == rows.size_bytes());
    if (!rows.empty()) std::memcpy(rows.data(), parts[0].data(), rows.size_bytes());
  }
};

class RawCodec final : public Codec {
 public:
  std::string key() const override { return "raw"; }
  std::vector<PartSpec> parts(const TensorSpec& weight) const override {
    return {{"", weight.dtype, weight.shape, false}};
  }
  bool is_raw() const override { return true; }
  void encode(std::span<const float>, std::int64_t, std::span<const std::span<std::byte>>) const override {
    BANTAM_ASSERT(!"raw bytes are copied, never encoded");
  }
  void decode(std::span<const std::span<const std::byte>>, std::int64_t, std::span<float>) const override {
    BANTAM_ASSERT(!"raw bytes are copied, never decoded");
  }
};

}  // namespace

CodecPtr raw_codec() {
  static const CodecPtr codec = std::make_shared<RawCodec>();
  return codec;
}

CodecPtr float_codec() {
  static const CodecPtr codec = std::make_shared<FloatCodec>();
  return codec;
}

}  // namespace bantam
