// Every instruction-set level that this machine has against plain loops written here: integers equal, floats
// to 1e-5 of the largest magnitude. Odd sizes, so that every tail is met.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "runtime/kernels/gemm.h"
#include "runtime/kernels/gemm_nbits.h"
#include "runtime/kernels/gemm_s8.h"

namespace bantam {
namespace {

struct Size {
  std::int64_t m, k, n;
};
constexpr Size kSizes[] = {{1, 1, 1},     {1, 7, 33}, {3, 64, 32},   {13, 100, 65},
                           {25, 401, 47}, {2, 0, 5},  {48, 780, 96}, {7, 1030, 3}};

std::vector<const Kernels*> all_levels() {
  std::vector<const Kernels*> levels = {&reference_kernels()};
  for (const Isa level : available_isas()) levels.push_back(&kernels(level));
  return levels;
}

class KernelTest : public testing::Test {
 protected:
  std::vector<float> floats(std::int64_t count, float scale = 1.0f) {
    std::normal_distribution<float> normal(0.0f, scale);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = normal(random_);
    return values;
  }
  template <typename T>
  std::vector<T> integers(std::int64_t count, int low, int high) {
    std::uniform_int_distribution<int> uniform(low, high);
    std::vector<T> values(static_cast<std::size_t>(count));
    for (T& value : values) value = static_cast<T>(uniform(random_));
    return values;
  }
  static void expect_close(const std::vector<float>& actual, const std::vector<double>& expected,
                           const std::string& what) {
    ASSERT_EQ(actual.size(), expected.size());
    double largest = 1e-3;
    for (const double value : expected) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < actual.size(); ++i)
      ASSERT_NEAR(actual[i], expected[i], 1e-5 * largest) << what << " at " << i;
  }

  std::mt19937 random_{11};
  Memory memory_{std::int64_t{1} << 30};
  ThreadPool pool_{3};
};

std::string describe(const Size& size) {
  return fmt::format("{} x {} x {}", size.m, size.k, size.n);
}

TEST_F(KernelTest, FloatProductsAgreeWithDoublePrecision) {
  for (const Size& size : kSizes) {
    const std::int64_t lda = size.k + 3;
    const std::int64_t ldc = size.n + 2;
    const std::vector<float> a = floats(size.m * lda);
    const std::vector<float> b = floats(size.k * size.n);
    const std::vector<float> bias = floats(size.n);
    std::vector<double> expected;
    for (std::int64_t i = 0; i < size.m; ++i) {
      for (std::int64_t j = 0; j < size.n; ++j) {
        double sum = bias[j];
        for (std::int64_t p = 0; p < size.k; ++p)
          sum += static_cast<double>(a[i * lda + p]) * b[p * size.n + j];
        expected.push_back(std::max(sum, 0.0));
      }
    }
    std::vector<float> turned(b.size());
    for (std::int64_t p = 0; p < size.k; ++p) {
      for (std::int64_t j = 0; j < size.n; ++j) turned[j * size.k + p] = b[p * size.n + j];
    }
    for (const Kernels* level : all_levels()) {
      for (const bool transposed : {false, true}) {
        const PackedB packed =
            pack_b(*level, transposed ? turned.data() : b.data(), transposed ? size.k : size.n, transposed,
                   size.k, size.n, memory_, pool_);
        std::vector<float> c(static_cast<std::size_t>(size.m * ldc), 7.0f);
        gemm(size.m, a.data(), lda, packed, c.data(), ldc, {bias.data(), Activation::kRelu}, pool_);
        std::vector<float> dense;
        for (std::int64_t i = 0; i < size.m; ++i) {
          dense.insert(dense.end(), c.begin() + i * ldc, c.begin() + i * ldc + size.n);
          ASSERT_EQ(c[i * ldc + size.n], 7.0f) << "wrote beyond the row";
        }
        expect_close(dense, expected, describe(size));
      }
    }
  }
}

TEST_F(KernelTest, IntegerProductsAreExactAtTheExtremes) {
  for (const Size& size : kSizes) {
    for (const bool a_signed : {false, true}) {
      for (const bool b_unsigned : {false, true}) {
        // Extremes in every place: what saturating instructions get wrong.
        std::vector<int> a = integers<int>(size.m * size.k, a_signed ? -128 : 0, a_signed ? 127 : 255);
        std::vector<int> b = integers<int>(size.k * size.n, b_unsigned ? 0 : -128, b_unsigned ? 255 : 127);
        for (std::size_t i = 0; i < a.size(); i += 3) a[i] = a_signed ? -128 : 255;
        for (std::size_t i = 0; i < b.size(); i += 2) b[i] = b_unsigned ? 255 : -128;
        const int a_zero = a_signed ? -3 : 130;
        const std::vector<std::int32_t> b_zeros =
            integers<std::int32_t>(size.n, b_unsigned ? 0 : -128, b_unsigned ? 255 : 127);
        std::vector<std::int32_t> expected;
        for (std::int64_t i = 0; i < size.m; ++i) {
          for (std::int64_t j = 0; j < size.n; ++j) {
            std::int64_t sum = 0;
            for (std::int64_t p = 0; p < size.k; ++p)
              sum += std::int64_t{a[i * size.k + p] - a_zero} * (b[p * size.n + j] - b_zeros[j]);
            expected.push_back(static_cast<std::int32_t>(sum));
          }
        }
        const std::vector<std::uint8_t> a_bytes(a.begin(), a.end());
        const std::vector<std::uint8_t> b_bytes(b.begin(), b.end());
        for (const Kernels* level : all_levels()) {
          const PackedS8 packed =
              pack_s8(*level, b_bytes.data(), b_unsigned, size.n, false, size.k, size.n, memory_, pool_);
          std::vector<std::int32_t> c(expected.size());
          IntegerA left;
          left.values = a_bytes.data();
          left.is_signed = a_signed;
          left.m = size.m;
          left.stride = size.k;
          left.zero = a_zero;
          IntegerOutput output;
          output.c = c.data();
          output.stride = size.n;
          output.b_zeros = b_zeros.data();
          gemm_s8(left, packed, output, memory_, pool_);
          ASSERT_EQ(c, expected) << describe(size);
          const std::vector<std::int32_t> row_zeros(static_cast<std::size_t>(size.m), a_zero);
          left.zero = 99;
          left.zeros = row_zeros.data();
          gemm_s8(left, packed, output, memory_, pool_);
          ASSERT_EQ(c, expected) << describe(size) << " with a zero point per row";
        }
      }
    }
  }
}

TEST_F(KernelTest, IntegerProductsComeOutAsFloats) {
  const Size size = {13, 70, 45};
  const auto a = integers<std::uint8_t>(size.m * size.k, 0, 255);
  const auto b = integers<std::int8_t>(size.k * size.n, -127, 127);
  const std::vector<float> scales = floats(size.n, 0.01f);
  const std::vector<float> bias = floats(size.n);
  std::vector<double> expected;
  for (std::int64_t i = 0; i < size.m; ++i) {
    for (std::int64_t j = 0; j < size.n; ++j) {
      double sum = 0;
      for (std::int64_t p = 0; p < size.k; ++p) sum += (a[i * size.k + p] - 128) * b[p * size.n + j];
      expected.push_back(sum * scales[j] + bias[j]);
    }
  }
  for (const Kernels* level : all_levels()) {
    const PackedS8 packed = pack_s8(*level, b.data(), false, size.n, false, size.k, size.n, memory_, pool_);
    std::vector<float> c(expected.size());
    IntegerA left;
    left.values = a.data();
    left.m = size.m;
    left.stride = size.k;
    left.zero = 128;
    IntegerOutput output;
    output.c = c.data();
    output.stride = size.n;
    output.scales = scales.data();
    output.bias = bias.data();
    gemm_s8(left, packed, output, memory_, pool_);
    expect_close(c, expected, "float output");
  }
}

TEST_F(KernelTest, BlockQuantizedProductsAgreeWithDecodedWeights) {
  for (const int bits : {2, 4, 8}) {
    for (const std::int64_t block : {16, 32, 128}) {
      for (const Size& size : {Size{1, 250, 37}, Size{2, 64, 8}, Size{19, 250, 70}, Size{40, 513, 33}}) {
        NbitsWeight weight;
        weight.bits = bits;
        weight.k = size.k;
        weight.n = size.n;
        weight.block = block;
        const std::int64_t blocks = weight.blocks();
        const std::int64_t zero_bytes = (blocks * bits + 7) / 8;
        const auto codes = integers<std::uint8_t>(size.n * blocks * block * bits / 8, 0, 255);
        const auto zeros = integers<std::uint8_t>(size.n * zero_bytes, 0, 255);
        const std::vector<float> scales = floats(size.n * blocks, 0.1f);
        weight.codes = codes.data();
        weight.scales = scales.data();
        const std::vector<float> a = floats(size.m * size.k);
        for (const bool with_zeros : {false, true}) {
          weight.zero_codes = with_zeros ? zeros.data() : nullptr;
          const unsigned mask = (1u << bits) - 1;
          std::vector<double> expected;
          for (std::int64_t i = 0; i < size.m; ++i) {
            for (std::int64_t j = 0; j < size.n; ++j) {
              double sum = 0;
              for (std::int64_t p = 0; p < size.k; ++p) {
                const std::int64_t bit = (j * blocks * block + p) * bits;
                const std::int64_t zero_bit = p / block * bits;
                const unsigned code = codes[bit / 8] >> (bit % 8) & mask;
                const unsigned zero = with_zeros
                                          ? zeros[j * zero_bytes + zero_bit / 8] >> (zero_bit % 8) & mask
                                          : 1u << (bits - 1);
                sum +=
                    a[i * size.k + p] * (static_cast<double>(code) - zero) * scales[j * blocks + p / block];
              }
              expected.push_back(sum);
            }
          }
          for (const Kernels* level : all_levels()) {
            const PackedNbits packed = pack_nbits(*level, weight, memory_, pool_);
            std::vector<float> c(expected.size());
            gemm_nbits(size.m, a.data(), size.k, packed, c.data(), size.n, {}, memory_, pool_);
            expect_close(c, expected, fmt::format("{} bits, block {}, {}", bits, block, describe(size)));
          }
        }
      }
    }
  }
}

TEST_F(KernelTest, FunctionsAgreeWithTheMathLibrary) {
  std::vector<float> x = floats(4001, 3.0f);
  for (const float special : {0.0f, -0.0f, 1e-30f, -1e-20f, 88.0f, -87.5f, -103.0f, 200.0f, -200.0f, INFINITY,
                              -INFINITY, 0.9999f, 1.0001f, 0.625f})
    x.push_back(special);
  const auto check = [&](const Kernels& level, auto run, auto function, double tolerance) {
    std::vector<float> y(x.size());
    run(level.vector, x.data(), y.data(), static_cast<std::int64_t>(x.size()));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = static_cast<float>(function(static_cast<double>(x[i])));
      if (std::isinf(expected)) {
        ASSERT_EQ(y[i], expected) << x[i];
      } else if (!std::isnan(expected)) {
        ASSERT_NEAR(y[i], expected, tolerance * std::max(std::abs(expected), 1e-3)) << x[i];
      }
    }
  };
  const auto with = [](Activation activation) {
    return [=](const VectorKernels& k, const float* in, float* out, std::int64_t n) {
      k.activate(activation, in, out, n);
    };
  };
  for (const Kernels* level : all_levels()) {
    check(
        *level, [](const VectorKernels& k, auto... args) { k.exp(args...); },
        [](double v) { return std::exp(v); }, 3e-7);
    check(
        *level, [](const VectorKernels& k, auto... args) { k.erf(args...); },
        [](double v) { return std::erf(v); }, 3e-7);
    check(
        *level, with(Activation::kTanh), [](double v) { return std::tanh(v); }, 4e-7);
    check(
        *level, with(Activation::kSigmoid), [](double v) { return 1 / (1 + std::exp(-v)); }, 5e-7);
    check(
        *level, with(Activation::kRelu), [](double v) { return v < 0 ? 0.0 : v; }, 0);
    check(
        *level, with(Activation::kSilu),
        [](double v) { return std::isinf(v) ? NAN : v / (1 + std::exp(-v)); }, 6e-7);
    // Far below zero the result is the difference of nearly equal numbers, in every float32 implementation.
    check(
        *level, with(Activation::kGeluErf),
        [](double v) { return std::isinf(v) || v < -3 ? NAN : 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); },
        1e-4);
    check(
        *level, with(Activation::kGeluTanh),
        [](double v) {
          return std::isinf(v) || v < -3
                     ? NAN
                     : 0.5 * v * (1 + std::tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
        },
        1e-4);
    float nan = NAN;
    level->vector.exp(&nan, &nan, 1);
    EXPECT_TRUE(std::isnan(nan));
    for (const Activation activation : {Activation::kTanh, Activation::kGeluErf, Activation::kRelu}) {
      nan = NAN;
      level->vector.activate(activation, &nan, &nan, 1);
      EXPECT_TRUE(std::isnan(nan));
    }
  }
}

TEST_F(KernelTest, RowReductionsAgreeWithDoublePrecision) {
  for (const std::int64_t count : {1, 2, 15, 16, 17, 31, 384, 1001}) {
    const std::vector<float> x = floats(count, 4.0f);
    const std::vector<float> gain = floats(count);
    const std::vector<float> shift = floats(count);
    double mean = 0, variance = 0, total = 0;
    const float high = *std::max_element(x.begin(), x.end());
    for (const float value : x) mean += value / static_cast<double>(count);
    for (const float value : x) variance += (value - mean) * (value - mean) / static_cast<double>(count);
    for (const float value : x) total += std::exp(static_cast<double>(value) - high);
    std::vector<double> softmax, log_softmax, normalized;
    for (std::size_t i = 0; i < x.size(); ++i) {
      softmax.push_back(std::exp(static_cast<double>(x[i]) - high) / total);
      log_softmax.push_back(static_cast<double>(x[i]) - high - std::log(total));
      normalized.push_back((x[i] - mean) / std::sqrt(variance + 1e-5) * gain[i] + shift[i]);
    }
    for (const Kernels* level : all_levels()) {
      std::vector<float> row = x;
      level->vector.softmax(row.data(), count, false);
      expect_close(row, softmax, "softmax");
      row = x;
      level->vector.softmax(row.data(), count, true);
      expect_close(row, log_softmax, "log softmax");
      level->vector.normalize(x.data(), gain.data(), shift.data(), 1e-5f, true, row.data(), count, nullptr,
                              nullptr);
      expect_close(row, normalized, "layer norm");
      float least = 0, most = 0;
      level->vector.min_max(x.data(), count, &least, &most);
      EXPECT_EQ(least, *std::min_element(x.begin(), x.end()));
      EXPECT_EQ(most, high);
    }
  }
}

TEST_F(KernelTest, QuantizationRoundsTiesToEvenAndSaturates) {
  std::vector<float> x = floats(1001, 50.0f);
  for (const float special : {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 1e30f, -1e30f, INFINITY, -INFINITY})
    x.push_back(special);
  const auto count = static_cast<std::int64_t>(x.size());
  for (const float scale : {1.0f, 0.37f}) {
    std::vector<std::uint8_t> expected;
    std::vector<std::int8_t> expected_signed;
    for (const float value : x) {
      expected.push_back(
          static_cast<std::uint8_t>(std::clamp(std::nearbyint(value / scale) + 7.0f, 0.0f, 255.0f)));
      expected_signed.push_back(
          static_cast<std::int8_t>(std::clamp(std::nearbyint(value / scale) - 9.0f, -128.0f, 127.0f)));
    }
    for (const Kernels* level : all_levels()) {
      std::vector<std::uint8_t> y(x.size());
      level->vector.quantize_u8(x.data(), scale, 7, y.data(), count);
      EXPECT_EQ(y, expected);
      std::vector<std::int8_t> z(x.size());
      level->vector.quantize_s8(x.data(), scale, -9, z.data(), count);
      EXPECT_EQ(z, expected_signed);
    }
  }
}

}  // namespace
}  // namespace bantam
