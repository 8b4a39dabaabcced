#include "quantize/codecs/kernels.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/quantize/weights.h"

namespace bantam {
namespace {

using Encode = void (*CodecKernels::*)(const BlockTask&);

struct Bytes {
  std::vector<std::uint8_t> codes;
  std::vector<float> scales;
  std::vector<std::uint8_t> zero_points;
  bool operator==(const Bytes&) const = default;
};

TEST(CodecKernels, EveryLevelGivesTheSameBlocks) {
  for (const std::int64_t width : {32, 250, 17, 1024}) {
    const std::int64_t rows = 23;
    std::vector<float> values = testing::trained_weights(rows * width, 8);
    for (std::int64_t k = 0; k < width; ++k) {  // rows that take the special cases
      values[static_cast<std::size_t>(2 * width + k)] = 0.0f;
      values[static_cast<std::size_t>(3 * width + k)] *= 1e-6f;
      values[static_cast<std::size_t>(4 * width + k)] *= 1e-36f;
      values[static_cast<std::size_t>(5 * width + k)] *= 1e5f;
    }
    for (const int size : {16, 32, 256}) {
      const std::int64_t blocks = (width + size - 1) / size;
      for (const bool search : {false, true}) {
        struct Case {
          Encode encode;
          int bits;
          bool symmetric;
        };
        for (const Case& which : {Case{&CodecKernels::encode_symmetric4, 4, true},
                                  Case{&CodecKernels::encode_asymmetric4, 4, false},
                                  Case{&CodecKernels::encode_symmetric8, 8, true},
                                  Case{&CodecKernels::encode_asymmetric8, 8, false}}) {
          const std::int64_t row_bytes = blocks * size * which.bits / 8;
          const auto run = [&](Isa level) {
            Bytes out;
            out.codes.resize(static_cast<std::size_t>(rows * row_bytes));
            out.scales.resize(static_cast<std::size_t>(rows * blocks));
            if (!which.symmetric) out.zero_points.resize(static_cast<std::size_t>(rows * blocks));
            (codec_kernels(level).*which.encode)({values.data(), rows, width, size, search, out.codes.data(),
                                                  row_bytes, out.scales.data(),
                                                  which.symmetric ? nullptr : out.zero_points.data()});
            return out;
          };
          const Bytes expected = run(Isa::kV2);
          for (const Isa level : available_isas()) {
            ASSERT_EQ(run(level), expected)
                << name(level) << " bits " << which.bits << " size " << size << " width " << width
                << " symmetric " << which.symmetric << " search " << search;
          }
        }
      }
    }
  }
}

TEST(CodecKernels, EveryLevelGivesTheSameRows) {
  for (const std::int64_t count : {1, 7, 16, 250, 1000}) {
    const std::vector<float> values = testing::trained_weights(count, 9);
    struct Result {
      std::vector<std::uint8_t> codes;
      float lowest = 0.0f, highest = 0.0f;
      bool operator==(const Result&) const = default;
    };
    const auto run = [&](Isa level) {
      Result result{std::vector<std::uint8_t>(static_cast<std::size_t>(count)), 0.0f, 0.0f};
      const CodecKernels& kernels = codec_kernels(level);
      kernels.encode_row(values.data(), count, 700.0f, 100, 0, 255, result.codes.data());
      kernels.extend_range(values.data(), count, &result.lowest, &result.highest);
      return result;
    };
    const Result expected = run(Isa::kV2);
    EXPECT_EQ(expected.lowest, std::min(0.0f, *std::min_element(values.begin(), values.end())));
    EXPECT_EQ(expected.highest, std::max(0.0f, *std::max_element(values.begin(), values.end())));
    for (const Isa level : available_isas()) EXPECT_EQ(run(level), expected) << name(level) << " " << count;
  }
}

}  // namespace
}  // namespace bantam
