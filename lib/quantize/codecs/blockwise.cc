#include <algorithm>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "quantize/codec.h"
#include "quantize/codecs/finite.h"
#include "quantize/codecs/kernels.h"

namespace bantam {
namespace {

constexpr float kLargestHalf = 65504.0f;

// Bytes of `count` codes.
std::int64_t packed_bytes(std::int64_t count, int bits) {
  return ceil_div(count * bits, 8);
}

class BlockwiseCodec final : public Codec {
 public:
  explicit BlockwiseCodec(const BlockwiseOptions& options) : options_(options) {}

  std::string key() const override {
    const bool search = options_.search && options_.bits == 4;
    return fmt::format("int{}/block={}/{}{}{}", options_.bits, options_.block_size,
                       options_.symmetric ? "symmetric" : "asymmetric", search ? "/search" : "",
                       options_.layout == BlockLayout::kGather ? "/gather" : "");
  }

  std::vector<PartSpec> parts(const TensorSpec& weight) const override {
    const std::int64_t rows = weight.rows(), blocks = blocks_of(weight.width());
    const std::int64_t row_bytes = code_bytes(weight.width());
    const bool gather = options_.layout == BlockLayout::kGather;
    const Shape codes = gather ? Shape{rows, row_bytes}
                               : Shape{rows, blocks, packed_bytes(options_.block_size, options_.bits)};
    std::vector<PartSpec> parts = {{fmt::format("_q{}", options_.bits), DType::kU8, codes, false},
                                   {"_scales", DType::kF32, {rows, blocks}, false}};
    if (!options_.symmetric) {
      parts.push_back({"_zero_points", DType::kU8, {rows, packed_bytes(blocks, options_.bits)}, false});
    }
    return parts;
  }

  void encode(std::span<const float> rows, std::int64_t width,
              std::span<const std::span<std::byte>> parts) const override {
    if (rows.empty()) return;
    const std::int64_t count = check(rows.size(), width, parts), blocks = blocks_of(width);
    const float limit = kLargestHalf * static_cast<float>(1 << (options_.bits - 1));
    const CodecKernels& kernels = codec_kernels();
    const auto kernel = options_.bits == 4
                            ? (options_.symmetric ? kernels.encode_symmetric4 : kernels.encode_asymmetric4)
                            : (options_.symmetric ? kernels.encode_symmetric8 : kernels.encode_asymmetric8);
    // A few rows at a time, so that the kernel finds in the cache what the check has read.
    const std::int64_t step = std::max<std::int64_t>(1, 32768 / width);
    std::vector<std::uint8_t> zero_points(options_.symmetric ? 0 : static_cast<std::size_t>(step * blocks));
    for (std::int64_t first = 0; first < count; first += step) {
      const std::int64_t tile = std::min(step, count - first);
      const auto values =
          rows.subspan(static_cast<std::size_t>(first * width), static_cast<std::size_t>(tile * width));
      require_magnitudes(values, width, limit);
      kernel({.rows = values.data(),
              .row_count = tile,
              .width = width,
              .block_size = options_.block_size,
              .search = options_.search,
              .codes = reinterpret_cast<std::uint8_t*>(parts[0].data()) + first * code_bytes(width),
              .bytes_per_row = code_bytes(width),
              .scales = reinterpret_cast<float*>(parts[1].data()) + first * blocks,
              .zero_points = options_.symmetric ? nullptr : zero_points.data()});
      if (!options_.symmetric) {
        auto* packed =
            reinterpret_cast<std::uint8_t*>(parts[2].data()) + first * packed_bytes(blocks, options_.bits);
        pack_zero_points(zero_points.data(), tile, blocks, packed);
      }
    }
  }

  void decode(std::span<const std::span<const std::byte>> parts, std::int64_t width,
              std::span<float> rows) const override {
    if (rows.empty()) return;
    const std::int64_t count = check(rows.size(), width, parts), blocks = blocks_of(width);
    const auto* codes = reinterpret_cast<const std::uint8_t*>(parts[0].data());
    const auto* scales = reinterpret_cast<const float*>(parts[1].data());
    for (std::int64_t row = 0; row < count; ++row, codes += code_bytes(width), scales += blocks) {
      for (std::int64_t block = 0; block < blocks; ++block) {
        const std::int64_t begin = block * options_.block_size;
        const std::int64_t length = std::min<std::int64_t>(options_.block_size, width - begin);
        decode_block(codes + packed_bytes(begin, options_.bits), length, scales[block],
                     options_.symmetric ? 1 << (options_.bits - 1) : zero_point(parts[2], row, block, blocks),
                     rows.data() + row * width + begin);
      }
    }
  }

 private:
  std::int64_t blocks_of(std::int64_t width) const { return ceil_div(width, options_.block_size); }

  std::int64_t code_bytes(std::int64_t width) const {
    if (options_.layout == BlockLayout::kMatMul) {
      return blocks_of(width) * packed_bytes(options_.block_size, options_.bits);
    }
    if (width * options_.bits % 8 != 0) {
      fail("rows of {} values do not fill whole bytes with {} bits each: use 8 bits", width, options_.bits);
    }
    return packed_bytes(width, options_.bits);
  }

  void decode_block(const std::uint8_t* codes, std::int64_t length, float scale, int zero_point,
                    float* out) const {
    if (options_.bits == 8) {
      for (std::int64_t k = 0; k < length; ++k) out[k] = static_cast<float>(codes[k] - zero_point) * scale;
      return;
    }
    float values[16];  // of every code
    for (int code = 0; code < 16; ++code) values[code] = static_cast<float>(code - zero_point) * scale;
    for (std::int64_t k = 0; k + 1 < length; k += 2) {
      out[k] = values[codes[k / 2] & 15];
      out[k + 1] = values[codes[k / 2] >> 4];
    }
    if (length % 2 == 1) out[length - 1] = values[codes[length / 2] & 15];
  }

  int zero_point(std::span<const std::byte> packed, std::int64_t row, std::int64_t block,
                 std::int64_t blocks) const {
    const std::int64_t at = row * packed_bytes(blocks, options_.bits) + block * options_.bits / 8;
    const int byte = std::to_integer<int>(packed[static_cast<std::size_t>(at)]);
    return (byte >> (block * options_.bits % 8)) & ((1 << options_.bits) - 1);
  }

  // Rows in the tile.
  template <typename Part>
  std::int64_t check(std::size_t values, std::int64_t width, std::span<const Part> parts) const {
    BANTAM_ASSERT(width > 0 && values % static_cast<std::size_t>(width) == 0);
    BANTAM_ASSERT(parts.size() == (options_.symmetric ? 2 : 3));
    const auto count = static_cast<std::int64_t>(values) / width;
    const auto bytes = [&](std::size_t part) { return static_cast<std::int64_t>(parts[part].size()); };
    BANTAM_ASSERT(bytes(0) == count * code_bytes(width));
    BANTAM_ASSERT(bytes(1) == count * blocks_of(width) * static_cast<std::int64_t>(sizeof(float)));
    BANTAM_ASSERT(options_.symmetric || bytes(2) == count * packed_bytes(blocks_of(width), options_.bits));
    return count;
  }

  void pack_zero_points(const std::uint8_t* zero_points, std::int64_t rows, std::int64_t blocks,
                        std::uint8_t* packed) const {
    const std::int64_t row_bytes = packed_bytes(blocks, options_.bits);
    std::memset(packed, 0, static_cast<std::size_t>(rows * row_bytes));
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t block = 0; block < blocks; ++block) {
        const int shift = static_cast<int>(block * options_.bits % 8);
        packed[row * row_bytes + block * options_.bits / 8] |=
            static_cast<std::uint8_t>(zero_points[row * blocks + block] << shift);
      }
    }
  }

  BlockwiseOptions options_;
};

}  // namespace

CodecPtr blockwise_codec(const BlockwiseOptions& options) {
  if (options.bits != 4 && options.bits != 8)
    fail_usage("blocks of {} bits: 4 or 8 are supported", options.bits);
  const int size = options.block_size;
  if (size < 16 || size > 256 || !std::has_single_bit(static_cast<unsigned>(size))) {
    fail_usage("block size {}: a power of two from 16 to 256 is needed", size);
  }
  return std::make_shared<BlockwiseCodec>(options);
}

Shape gather_shape(const TensorSpec& weight, const BlockwiseOptions& options) {
  if (weight.width() % options.block_size != 0) {
    fail("rows of {} values are no whole number of blocks of {}", weight.width(), options.block_size);
  }
  return {weight.rows(), packed_bytes(weight.width(), options.bits)};
}

}  // namespace bantam
