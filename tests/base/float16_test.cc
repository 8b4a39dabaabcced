#include "base/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/convert_kernels.h"

namespace bantam {
namespace {

TEST(Float16, RoundTripsEveryHalf) {
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float wide = fp16_to_float(half);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(fp16_to_float(float_to_fp16(wide))));
    } else {
      EXPECT_EQ(float_to_fp16(wide), half);
    }
  }
}

#ifdef __FLT16_MANT_DIG__  // clang before 15 has no half type on x86
TEST(Float16, MatchesTheCompilersHalfType) {
  std::mt19937 random(7);
  for (int i = 0; i < 1'000'000; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isnan(value)) continue;
    const auto expected = std::bit_cast<std::uint16_t>(static_cast<_Float16>(value));
    ASSERT_EQ(float_to_fp16(value), expected) << value;
  }
}
#endif

TEST(Float16, RoundsTiesToEvenAndOverflowsToInfinity) {
  EXPECT_EQ(float_to_fp16(65519.0f), 0x7bffu);
  EXPECT_EQ(float_to_fp16(65520.0f), 0x7c00u);
  EXPECT_EQ(float_to_fp16(0x1p-25f), 0x0000u);
  EXPECT_EQ(float_to_fp16(0x1.8p-24f), 0x0002u);
  EXPECT_EQ(float_to_bf16(1.00390625f), 0x3f80u);
  EXPECT_EQ(float_to_bf16(1.01171875f), 0x3f82u);
}

TEST(ConvertKernels, AllLevelsGiveTheSameBits) {
  std::mt19937 random(3);
  std::vector<float> values(100'003);
  for (float& value : values) value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  values[5] = std::numeric_limits<float>::quiet_NaN();
  values[11] = -std::numeric_limits<float>::infinity();
  const auto count = static_cast<std::int64_t>(values.size());
  for (const Isa level : available_isas()) {
    const ConvertKernels& kernels = convert_kernels(level);
    std::vector<std::uint16_t> half(values.size()), brain(values.size());
    kernels.float_to_fp16(values.data(), half.data(), count);
    kernels.float_to_bf16(values.data(), brain.data(), count);
    std::vector<float> back(values.size()), brain_back(values.size());
    kernels.fp16_to_float(half.data(), back.data(), count);
    kernels.bf16_to_float(brain.data(), brain_back.data(), count);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(half[i], float_to_fp16(values[i])) << name(level) << " " << values[i];
      ASSERT_EQ(brain[i], float_to_bf16(values[i])) << name(level);
      ASSERT_EQ(std::bit_cast<std::uint32_t>(back[i]), std::bit_cast<std::uint32_t>(fp16_to_float(half[i])));
      ASSERT_EQ(std::bit_cast<std::uint32_t>(brain_back[i]),
                std::bit_cast<std::uint32_t>(bf16_to_float(brain[i])));
    }
    EXPECT_TRUE(std::isinf(kernels.max_abs(values.data(), count)));
    const std::vector<float> small = {1.0f, -3.5f, 2.0f};
    EXPECT_EQ(kernels.max_abs(small.data(), 3), 3.5f);
    EXPECT_EQ(kernels.max_abs(small.data(), 0), 0.0f);
  }
}

}  // namespace
}  // namespace bantam
