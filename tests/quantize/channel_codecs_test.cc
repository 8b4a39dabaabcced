#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "quantize/codec.h"
#include "tests/quantize/weights.h"

namespace bantam {
namespace {

using testing::decode;
using testing::encode;
using testing::Encoded;
using testing::trained_weights;

// Rows that are easy to get wrong, 8 values each.
std::vector<float> hard_rows() {
  constexpr float kMax = std::numeric_limits<float>::max(), kTiny = std::numeric_limits<float>::denorm_min();
  return {0,      0,       0,      0,      0,     0,      0,     -0.0f,   // nothing
          kMax,   -kMax,   1e38f,  0,      1,     -1,     3e38f, -3e38f,  //
          1e-45f, 0,       kTiny,  -kTiny, 0,     0,      0,     0,       //
          1e-40f, -1e-39f, 1e-38f, 0,      0,     0,      0,     0,       //
          0.5f,   0.5f,    0.5f,   0.5f,   0.5f,  0.5f,   0.5f,  0.5f,    // constant
          -3,     -3,      -3,     -3,     -3,    -3,     -3,    -3,      //
          -1,     -0.5f,   -2,     -9,     -4,    -1e-3f, -7,    -8,      // one-sided
          1,      127,     126.5f, 2.5f,   -3.5f, 0.5f,   -127,  0};      // ties
}

// By width of a row.
std::vector<std::pair<std::int64_t, std::vector<float>>> matrices() {
  return {{8, hard_rows()},
          {250, trained_weights(13 * 250, 1)},
          {33, trained_weights(33, 2)},
          {1, {0.1f, -2.0f}}};
}

TEST(Int8ChannelCodec, WritesNearestCodesOfAbsmaxScales) {
  for (const auto& [width, values] : matrices()) {
    const auto rows = static_cast<std::int64_t>(values.size()) / width;
    const CodecPtr codec = int8_channel_codec();
    const Encoded encoded = encode(*codec, values, rows, width);
    const std::vector<std::int8_t> codes = encoded.as<std::int8_t>(0);
    const std::vector<float> scales = encoded.as<float>(1), decoded = decode(*codec, encoded, rows, width);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double scale = scales[i / static_cast<std::size_t>(width)];
      ASSERT_TRUE(std::isnormal(scale) && scale > 0);
      ASSERT_NE(codes[i], -128);
      ASSERT_EQ(decoded[i], static_cast<float>(codes[i]) * static_cast<float>(scale));
      ASSERT_LE(std::abs(codes[i] * scale - values[i]), 0.500001 * scale) << values[i];
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      int largest = 0;
      float absmax = 0.0f;
      for (std::int64_t k = row * width; k < (row + 1) * width; ++k) {
        largest = std::max(largest, std::abs(static_cast<int>(codes[static_cast<std::size_t>(k)])));
        absmax = std::max(absmax, std::abs(values[static_cast<std::size_t>(k)]));
      }
      if (absmax > 1e-35f) {
        ASSERT_EQ(largest, 127) << "the scale wastes codes in row " << row;
      }
      if (absmax == 0.0f) {
        ASSERT_EQ(scales[static_cast<std::size_t>(row)], 1.0f);
      }
    }
  }
}

TEST(Uint8ChannelCodec, WritesNearestCodesAndAnExactZero) {
  for (const auto& [width, values] : matrices()) {
    const auto rows = static_cast<std::int64_t>(values.size()) / width;
    const CodecPtr codec = uint8_channel_codec();
    const Encoded encoded = encode(*codec, values, rows, width);
    const std::vector<std::uint8_t> codes = encoded.as<std::uint8_t>(0),
                                    zero_points = encoded.as<std::uint8_t>(2);
    const std::vector<float> scales = encoded.as<float>(1), decoded = decode(*codec, encoded, rows, width);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t row = i / static_cast<std::size_t>(width);
      const double scale = scales[row];
      const int steps = static_cast<int>(codes[i]) - zero_points[row];
      ASSERT_TRUE(std::isnormal(scale) && scale > 0);
      ASSERT_EQ(decoded[i], static_cast<float>(steps) * scales[row]);
      // The zero point is rounded, which can cut up to half a step at one end.
      const bool at_end = codes[i] == 0 || codes[i] == 255;
      ASSERT_LE(std::abs(steps * scale - values[i]), (at_end ? 1.00001 : 0.50001) * scale) << values[i];
      if (values[i] == 0.0f) {
        ASSERT_EQ(codes[i], zero_points[row]);
      }
    }
  }
}

TEST(ChannelCodecs, DeclareCodesTransposed) {
  const TensorSpec weight{"weight", DType::kF16, {5, 3, 7}};
  const std::vector<PartSpec> int8 = int8_channel_codec()->parts(weight),
                              uint8 = uint8_channel_codec()->parts(weight);
  ASSERT_EQ(int8.size(), 2u);
  EXPECT_EQ(int8[0].shape, (Shape{21, 5}));
  EXPECT_EQ(int8[0].dtype, DType::kI8);
  EXPECT_TRUE(int8[0].transposed);
  EXPECT_EQ(int8[1].shape, (Shape{5}));
  ASSERT_EQ(uint8.size(), 3u);
  EXPECT_EQ(uint8[0].dtype, DType::kU8);
  EXPECT_TRUE(uint8[0].transposed);
  EXPECT_EQ(uint8[2].shape, (Shape{5}));
  EXPECT_FALSE(uint8[2].transposed);
}

TEST(ChannelCodecs, GiveTheSameBytesForEverySplitIntoRows) {
  const std::vector<float> values = trained_weights(29 * 77, 3);
  for (const CodecPtr& codec : {int8_channel_codec(), uint8_channel_codec()}) {
    const Encoded whole = encode(*codec, values, 29, 77);
    for (const std::int64_t tile : {1, 3, 28})
      EXPECT_EQ(encode(*codec, values, 29, 77, tile).bytes, whole.bytes);
  }
}

TEST(ChannelCodecs, RefuseNaNAndInfinity) {
  for (const CodecPtr& codec : {int8_channel_codec(), uint8_channel_codec()}) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      std::vector<float> values = trained_weights(3 * 50, 4);
      values[50 + 49] = bad;
      try {
        encode(*codec, values, 3, 50);
        FAIL() << "accepted " << bad;
      } catch (const Error& error) {
        EXPECT_NE(error.message().find("in column 49"), std::string::npos) << error.message();
      }
    }
  }
}

}  // namespace
}  // namespace bantam
