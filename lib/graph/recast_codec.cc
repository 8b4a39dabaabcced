#include <algorithm>

#include "base/error.h"
#include "graph/codec.h"

namespace bantam {
namespace {

void flip(std::span<std::byte> bytes, std::byte mask) {
  for (std::byte& byte : bytes) byte ^= mask;
}

class RecastCodec final : public Codec {
 public:
  RecastCodec(CodecPtr codec, std::vector<PartCast> casts)
      : codec_(std::move(codec)), casts_(std::move(casts)) {
    const bool flips =
        std::ranges::any_of(casts_, [](const PartCast& cast) { return cast.flip != std::byte{0}; });
    BANTAM_ASSERT(!(flips && codec_->is_raw()));
  }

  std::string key() const override {
    std::string key = codec_->key();
    for (const PartCast& cast : casts_) key += fmt::format("/{}", name(cast.dtype));
    return key;
  }

  std::vector<PartSpec> parts(const TensorSpec& weight) const override {
    std::vector<PartSpec> specs = codec_->parts(weight);
    for (const PartCast& cast : casts_) {
      PartSpec& spec = specs.at(cast.part);
      const std::int64_t bytes = spec.bytes();
      spec.dtype = cast.dtype;
      spec.shape = cast.shape;
      BANTAM_ASSERT(spec.bytes() == bytes);
    }
    return specs;
  }

  bool is_raw() const override { return codec_->is_raw(); }

  void encode(std::span<const float> rows, std::int64_t width,
              std::span<const std::span<std::byte>> parts) const override {
    codec_->encode(rows, width, parts);
    for (const PartCast& cast : casts_) flip(parts[cast.part], cast.flip);
  }

  void decode(std::span<const std::span<const std::byte>> parts, std::int64_t width,
              std::span<float> rows) const override {
    std::vector<std::span<const std::byte>> plain(parts.begin(), parts.end());
    std::vector<std::vector<std::byte>> copies;
    copies.reserve(casts_.size());  // spans point into them
    for (const PartCast& cast : casts_) {
      std::vector<std::byte>& copy = copies.emplace_back(parts[cast.part].begin(), parts[cast.part].end());
      flip(copy, cast.flip);
      plain[cast.part] = copy;
    }
    codec_->decode(plain, width, rows);
  }

 private:
  CodecPtr codec_;
  std::vector<PartCast> casts_;
};

}  // namespace

CodecPtr recast_codec(CodecPtr codec, std::vector<PartCast> casts) {
  return std::make_shared<RecastCodec>(std::move(codec), std::move(casts));
}

}  // namespace bantam
