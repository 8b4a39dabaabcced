#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/float16.h"
#include "quantize/codec.h"
#include "tests/quantize/weights.h"

namespace bantam {
namespace {

using testing::decode;
using testing::encode;
using testing::Encoded;
using testing::trained_weights;

struct Matrix {
  std::int64_t rows;
  std::int64_t width;
};

std::vector<BlockwiseOptions> all_options() {
  std::vector<BlockwiseOptions> all;
  for (const int bits : {4, 8}) {
    for (const int size : {16, 32, 128}) {
      for (const bool symmetric : {true, false}) {
        for (const bool search : {true, false}) {
          for (const BlockLayout layout : {BlockLayout::kMatMul, BlockLayout::kGather}) {
            all.push_back({bits, size, symmetric, search, layout});
          }
        }
      }
    }
  }
  return all;
}

std::string describe(const BlockwiseOptions& options, const Matrix& matrix) {
  return blockwise_codec(options)->key() + " " + std::to_string(matrix.rows) + "x" +
         std::to_string(matrix.width);
}

bool possible(const BlockwiseOptions& options, const Matrix& matrix) {
  return options.layout == BlockLayout::kMatMul || matrix.width * options.bits % 8 == 0;
}

constexpr Matrix kMatrices[] = {{1, 16}, {1, 250}, {7, 33}, {5, 17}, {3, 96}, {19, 250}, {2, 1024}};

// The layout as MatMulNBits documents it, written without a look at the codec: byte j of block b of row n
// holds values from k = b * size + j * 8 / bits on, low bits first; zero points packed alike, each row on
// whole bytes.
struct Stored {
  const BlockwiseOptions& options;
  Matrix matrix;
  const Encoded& encoded;

  std::int64_t blocks() const { return (matrix.width + options.block_size - 1) / options.block_size; }
  int field(std::size_t part, std::int64_t row_bytes, std::int64_t row, std::int64_t index) const {
    const std::int64_t per_byte = 8 / options.bits;
    const int byte = std::to_integer<int>(
        encoded.bytes[part][static_cast<std::size_t>(row * row_bytes + index / per_byte)]);
    return options.bits == 8 ? byte : index % 2 == 0 ? byte & 15 : byte >> 4;
  }
  int code(std::int64_t row, std::int64_t k) const {
    const std::int64_t padded = blocks() * options.block_size;
    const std::int64_t values = options.layout == BlockLayout::kMatMul ? padded : matrix.width;
    return field(0, values * options.bits / 8, row, k);
  }
  int zero_point(std::int64_t row, std::int64_t block) const {
    if (options.symmetric) return options.bits == 4 ? 8 : 128;
    return field(2, options.bits == 8 ? blocks() : (blocks() + 1) / 2, row, block);
  }
  float scale(std::int64_t row, std::int64_t block) const {
    float value;
    std::memcpy(&value, encoded.bytes[1].data() + (row * blocks() + block) * 4, 4);
    return value;
  }
  float value(std::int64_t row, std::int64_t k) const {
    const std::int64_t block = k / options.block_size;
    return static_cast<float>(code(row, k) - zero_point(row, block)) * scale(row, block);
  }
};

double square(double value) {
  return value * value;
}

// Everything that must hold for any input.
void check(const BlockwiseOptions& options, const Matrix& matrix, const std::vector<float>& values) {
  SCOPED_TRACE(describe(options, matrix));
  const CodecPtr codec = blockwise_codec(options);
  const Encoded encoded = encode(*codec, values, matrix.rows, matrix.width);
  const Stored stored{options, matrix, encoded};
  const std::vector<float> decoded = decode(*codec, encoded, matrix.rows, matrix.width);
  const int top = (1 << options.bits) - 1;
  const double half = 1 << (options.bits - 1);
  for (std::int64_t row = 0; row < matrix.rows; ++row) {
    for (std::int64_t block = 0; block < stored.blocks(); ++block) {
      const std::int64_t begin = block * options.block_size;
      const std::int64_t end = std::min(matrix.width, begin + options.block_size);
      const float scale = stored.scale(row, block);
      ASSERT_TRUE(std::isfinite(scale) && scale != 0.0f);
      ASSERT_EQ(fp16_to_float(float_to_fp16(scale)), scale) << "not a float16";
      const int zero_point = stored.zero_point(row, block);
      float extreme = 0.0f;
      double error = 0.0;
      for (std::int64_t k = begin; k < end; ++k) {
        const float value = values[static_cast<std::size_t>(row * matrix.width + k)];
        const float got = stored.value(row, k);
        ASSERT_EQ(decoded[static_cast<std::size_t>(row * matrix.width + k)], got)
            << "row " << row << " k " << k;
        const double nearest = std::clamp(std::nearbyint(static_cast<double>(value) / scale) + zero_point,
                                          0.0, static_cast<double>(top));
        const double best = std::abs(value - (nearest - zero_point) * scale);
        ASSERT_LE(std::abs(static_cast<double>(value) - got), best + 1e-6 * std::abs(value))
            << "not the nearest code";
        error += square(static_cast<double>(value) - got);
        if (std::abs(value) > std::abs(extreme)) extreme = value;
      }
      // Round to nearest with the signed scale that takes the extreme to the lowest code.
      float plain = fp16_to_float(float_to_fp16(static_cast<float>(extreme / -half)));
      if (std::abs(plain) < 0x1p-24f) plain = 0x1p-24f;
      double plain_error = 0.0;
      for (std::int64_t k = begin; k < end; ++k) {
        const double value = values[static_cast<std::size_t>(row * matrix.width + k)];
        plain_error += square(value - std::clamp(std::nearbyint(value / plain), -half, half - 1) * plain);
      }
      ASSERT_LE(error, plain_error * (1 + 1e-4) + 1e-30) << "worse than round to nearest, row " << row;
      for (std::int64_t k = end; options.layout == BlockLayout::kMatMul && k < begin + options.block_size;
           ++k) {
        ASSERT_EQ(stored.code(row, k), zero_point) << "padding is not zero";
      }
    }
    const std::int64_t blocks = stored.blocks();
    if (!options.symmetric && options.bits == 4 && blocks % 2 == 1) {
      ASSERT_EQ(stored.field(2, (blocks + 1) / 2, row, blocks), 0) << "unused half of a byte";
    }
  }
}

TEST(BlockwiseCodec, WritesNearestCodesAndIsNoWorseThanRoundToNearestForEveryOptionAndOddSize) {
  for (const BlockwiseOptions& options : all_options()) {
    for (const Matrix& matrix : kMatrices) {
      if (possible(options, matrix)) check(options, matrix, trained_weights(matrix.rows * matrix.width, 1));
    }
  }
}

TEST(BlockwiseCodec, HandlesConstantTinyHugeAndOneSidedBlocks) {
  const Matrix matrix{9, 64};
  std::vector<float> values = trained_weights(matrix.rows * matrix.width, 2);
  const auto fill = [&](std::int64_t row, auto&& value) {
    for (std::int64_t k = 0; k < matrix.width; ++k) {
      values[static_cast<std::size_t>(row * matrix.width + k)] = static_cast<float>(value(k));
    }
  };
  fill(0, [](std::int64_t) { return 0.3; });
  fill(1, [](std::int64_t) { return -1e-3; });
  fill(2, [](std::int64_t k) { return k == 40 ? 1e-30 : 0.0; });
  fill(3, [](std::int64_t k) { return 1e-7 * std::sin(static_cast<double>(k)); });
  fill(4, [](std::int64_t k) { return 524'000.0 * std::sin(static_cast<double>(k)); });
  fill(5, [](std::int64_t k) { return 2.0 + 0.01 * static_cast<double>(k); });
  fill(6, [](std::int64_t k) { return k % 2 == 0 ? -0.0 : 1e-45; });
  fill(7, [](std::int64_t k) { return k == 3 ? 1.0 : -1.0; });
  for (const BlockwiseOptions& options : all_options()) check(options, matrix, values);
}

TEST(BlockwiseCodec, EncodesBlocksOfZerosWithScaleOne) {
  const std::vector<float> zeros(3 * 50, 0.0f);
  for (const BlockwiseOptions& options : all_options()) {
    const Encoded encoded = encode(*blockwise_codec(options), zeros, 3, 50);
    for (const float scale : encoded.as<float>(1)) EXPECT_EQ(scale, 1.0f);
    for (const float value : decode(*blockwise_codec(options), encoded, 3, 50)) EXPECT_EQ(value, 0.0f);
  }
}

TEST(BlockwiseCodec, DeclaresTheShapesOfMatMulNBitsAndGatherBlockQuantized) {
  const TensorSpec weight{"weight", DType::kBF16, {5, 250}};
  const auto shapes = [&](const BlockwiseOptions& options) {
    std::vector<Shape> all;
    for (const PartSpec& part : blockwise_codec(options)->parts(weight)) all.push_back(part.shape);
    return all;
  };
  EXPECT_EQ(shapes({.bits = 4, .block_size = 32}), (std::vector<Shape>{{5, 8, 16}, {5, 8}}));
  EXPECT_EQ(shapes({.bits = 8, .block_size = 128, .symmetric = false}),
            (std::vector<Shape>{{5, 2, 128}, {5, 2}, {5, 2}}));
  EXPECT_EQ(shapes({.bits = 4, .block_size = 16, .symmetric = false, .layout = BlockLayout::kGather}),
            (std::vector<Shape>{{5, 125}, {5, 16}, {5, 8}}));
  EXPECT_EQ(shapes({.bits = 4, .block_size = 256, .symmetric = false}),
            (std::vector<Shape>{{5, 1, 128}, {5, 1}, {5, 1}}));
  EXPECT_EQ(gather_shape({"weight", DType::kF32, {5, 256}}, {.bits = 4}), (Shape{5, 128}));
  EXPECT_THROW(gather_shape(weight, {.bits = 4}), Error);
}

TEST(BlockwiseCodec, GivesBothLayoutsTheSameBytesWhenNothingIsPadded) {
  const std::vector<float> values = trained_weights(11 * 96, 3);
  for (const int bits : {4, 8}) {
    BlockwiseOptions options{.bits = bits};
    const Encoded matmul = encode(*blockwise_codec(options), values, 11, 96);
    options.layout = BlockLayout::kGather;
    EXPECT_EQ(encode(*blockwise_codec(options), values, 11, 96).bytes, matmul.bytes);
  }
}

TEST(BlockwiseCodec, GivesTheSameBytesForEverySplitIntoRows) {
  for (const BlockwiseOptions& options : all_options()) {
    const Matrix matrix{37, 90};
    const std::vector<float> values = trained_weights(matrix.rows * matrix.width, 4);
    const CodecPtr codec = blockwise_codec(options);
    const Encoded whole = encode(*codec, values, matrix.rows, matrix.width);
    for (const std::int64_t tile : {1, 2, 5, 16, 36}) {
      ASSERT_EQ(encode(*codec, values, matrix.rows, matrix.width, tile).bytes, whole.bytes)
          << describe(options, matrix) << " in tiles of " << tile;
    }
  }
}

double squared_error(const BlockwiseOptions& options, const std::vector<float>& values, std::int64_t width) {
  const auto rows = static_cast<std::int64_t>(values.size()) / width;
  const CodecPtr codec = blockwise_codec(options);
  const std::vector<float> decoded = decode(*codec, encode(*codec, values, rows, width), rows, width);
  double error = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) error += square(values[i] - decoded[i]);
  return error;
}

TEST(BlockwiseCodec, SearchLowersTheErrorClearly) {
  const std::vector<float> values = trained_weights(500 * 384, 5);
  const double plain = squared_error({.search = false}, values, 384);
  EXPECT_LT(squared_error({}, values, 384), 0.92 * plain);
  EXPECT_LT(squared_error({.symmetric = false, .search = false}, values, 384), 0.92 * plain);
  EXPECT_LT(squared_error({.symmetric = false}, values, 384), 0.82 * plain);
}

TEST(BlockwiseCodec, SearchComesCloseToAnExhaustiveOne) {
  const std::vector<float> values = trained_weights(200 * 32, 6);
  double best_total = 0.0;
  for (std::size_t block = 0; block < 200; ++block) {
    const std::span<const float> in = std::span(values).subspan(block * 32, 32);
    float largest = 0.0f;
    for (const float value : in) largest = std::max(largest, std::abs(value));
    double best = std::numeric_limits<double>::max();
    for (int step = -2000; step <= 2000; ++step) {
      const double scale = fp16_to_float(float_to_fp16(largest / 8.0f * static_cast<float>(step) / 1500.0f));
      if (scale == 0.0) continue;
      double error = 0.0;
      for (const float value : in)
        error += square(value - std::clamp(std::nearbyint(value / scale), -8.0, 7.0) * scale);
      best = std::min(best, error);
    }
    best_total += best;
  }
  EXPECT_LT(squared_error({}, values, 32), 1.006 * best_total);
}

TEST(BlockwiseCodec, RefusesNaNAndInfinityAndScalesBeyondFloat16) {
  for (const BlockwiseOptions& options : all_options()) {
    const CodecPtr codec = blockwise_codec(options);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(), 9e6f}) {
      std::vector<float> values = trained_weights(3 * 50, 7);
      values[2 * 50 + 17] = bad;
      try {
        encode(*codec, values, 3, 50);
        FAIL() << "accepted " << bad;
      } catch (const Error& error) {
        EXPECT_NE(error.message().find("in column 17"), std::string::npos) << error.message();
      }
    }
  }
}

TEST(BlockwiseCodec, RefusesOptionsThatTheOperatorsDoNotHave) {
  EXPECT_THROW(blockwise_codec({.bits = 3}), Error);
  EXPECT_THROW(blockwise_codec({.block_size = 8}), Error);
  EXPECT_THROW(blockwise_codec({.block_size = 48}), Error);
  EXPECT_THROW(blockwise_codec({.block_size = 512}), Error);
  const CodecPtr codec = blockwise_codec({.bits = 4, .layout = BlockLayout::kGather});
  EXPECT_THROW(codec->parts({"weight", DType::kF32, {4, 33}}), Error);
}

TEST(BlockwiseCodec, KeysTellApartWhatGivesOtherBytes) {
  std::vector<std::string> keys;
  for (const BlockwiseOptions& options : all_options()) keys.push_back(blockwise_codec(options)->key());
  EXPECT_EQ(blockwise_codec({.bits = 8, .search = true})->key(),
            blockwise_codec({.bits = 8, .search = false})->key());
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  EXPECT_EQ(keys.size(), 3u * 2 * 2 * 3);
}

}  // namespace
}  // namespace bantam
