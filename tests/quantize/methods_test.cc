#include "quantize/methods/methods.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "base/error.h"
#include "tests/quantize/known_input.h"
#include "tests/quantize/weights.h"

// What the codes are is checked against numpy by tests/oracle/methods.py; here is what every codec promises.
namespace bantam {
namespace {

using testing::decode;
using testing::encode;
using testing::KnownInput;

// Mean of x x^T over correlated inputs, of which one channel is always zero.
std::vector<float> hessian_of(std::int64_t width, std::uint32_t seed) {
  const std::int64_t samples = 2 * width;
  std::vector<float> x = testing::trained_weights(samples * width, seed, 1.0f);
  const auto at = [&](std::int64_t sample, std::int64_t k) -> float& {
    return x[static_cast<std::size_t>(sample * width + k)];
  };
  for (std::int64_t s = 0; s < samples; ++s) {
    for (std::int64_t k = 1; k < width; ++k) at(s, k) += 0.6f * at(s, k - 1);
    at(s, width / 2) = 0.0f;
  }
  std::vector<float> hessian(static_cast<std::size_t>(width * width));
  for (std::int64_t i = 0; i < width; ++i) {
    for (std::int64_t j = 0; j < width; ++j) {
      double sum = 0;
      for (std::int64_t s = 0; s < samples; ++s)
        sum += static_cast<double>(at(s, i)) * static_cast<double>(at(s, j));
      hessian[static_cast<std::size_t>(i * width + j)] =
          static_cast<float>(sum / static_cast<double>(samples));
    }
  }
  return hessian;
}

std::shared_ptr<KnownInput> input_of(std::int64_t width) {
  return std::make_shared<KnownInput>(width, hessian_of(width, 3));
}

FactorCachePtr factors() {
  return std::make_shared<FactorCache>(1 << 30);
}

std::vector<CodecPtr> codecs(const BlockwiseOptions& options, std::int64_t width) {
  const auto input = input_of(width);
  return {weighted_codec(options, input), hqq_codec(options), gptq_codec(options, input, factors())};
}

// d H d^T, summed over the rows.
double form(const std::vector<float>& values, const std::vector<float>& decoded,
            const std::vector<float>& hessian, std::int64_t width) {
  double sum = 0;
  const auto n = static_cast<std::size_t>(width);
  for (std::size_t row = 0; row < values.size() / n; ++row) {
    for (std::size_t i = 0; i < n; ++i) {
      const double di = values[row * n + i] - decoded[row * n + i];
      for (std::size_t j = 0; j < n; ++j) {
        const double dj = values[row * n + j] - decoded[row * n + j];
        sum += di * static_cast<double>(hessian[i * n + j]) * dj;
      }
    }
  }
  return sum;
}

TEST(Methods, GiveTheSameBytesForEveryTile) {
  for (const std::int64_t width : {32, 70, 256}) {
    const std::vector<float> values = testing::trained_weights(37 * width, 5);
    for (const bool symmetric : {true, false}) {
      for (const CodecPtr& codec : codecs({.bits = 4, .block_size = 32, .symmetric = symmetric}, width)) {
        const testing::Encoded whole = encode(*codec, values, 37, width);
        for (const std::int64_t tile : {1, 5, 16, 36}) {
          EXPECT_EQ(encode(*codec, values, 37, width, tile).bytes, whole.bytes)
              << codec->key() << " tile " << tile;
        }
      }
    }
  }
}

TEST(Methods, GiveTheSameBytesOnEveryInstructionSet) {
  for (const std::int64_t width : {48, 70}) {
    const std::int64_t rows = 19, blocks = (width + 31) / 32;
    std::vector<float> values = testing::trained_weights(rows * width, 6);
    for (std::int64_t k = 0; k < width; ++k) {
      values[static_cast<std::size_t>(2 * width + k)] = 0.0f;
      values[static_cast<std::size_t>(3 * width + k)] *= 1e-6f;
      values[static_cast<std::size_t>(4 * width + k)] *= 1e4f;
    }
    const Factor factor(*input_of(width));
    for (const auto kernel : {&MethodKernels::weighted, &MethodKernels::hqq, &MethodKernels::gptq}) {
      for (const int bits : {4, 8}) {
        for (const bool symmetric : {true, false}) {
          struct Bytes {
            std::vector<std::uint8_t> codes, zero_points;
            std::vector<float> scales;
            bool operator==(const Bytes&) const = default;
          };
          const auto run = [&](Isa level) {
            Bytes out{std::vector<std::uint8_t>(static_cast<std::size_t>(rows * width)),
                      std::vector<std::uint8_t>(static_cast<std::size_t>(rows * blocks)),
                      std::vector<float>(static_cast<std::size_t>(rows * blocks))};
            alignas(64) static float scratch[method_scratch(70)];
            MethodTask task{values.data(), rows, width, 32, bits, symmetric};
            task.weights = factor.weights().data();
            task.factor = factor.view();
            task.passes = 2;
            task.codes = out.codes.data();
            task.zero_points = out.zero_points.data();
            task.scales = out.scales.data();
            task.scratch = scratch;
            (method_kernels(level).*kernel)(task);
            return out;
          };
          const Bytes expected = run(Isa::kV2);
          for (const Isa level : available_isas()) {
            EXPECT_TRUE(run(level) == expected)
                << name(level) << " bits " << bits << " symmetric " << symmetric;
          }
        }
      }
    }
  }
}

TEST(Methods, DecodeToWhatTheyWereCloseTo) {
  const std::int64_t width = 70, rows = 20;
  const std::vector<float> values = testing::trained_weights(rows * width, 9);
  for (const int bits : {4, 8}) {
    for (const bool symmetric : {true, false}) {
      for (const CodecPtr& codec : codecs({.bits = bits, .block_size = 16, .symmetric = symmetric}, width)) {
        const std::vector<float> decoded = decode(*codec, encode(*codec, values, rows, width), rows, width);
        double error = 0, size = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
          error += std::pow(values[i] - decoded[i], 2);
          size += std::pow(values[i], 2);
        }
        EXPECT_LT(error / size, bits == 4 ? 0.02 : 1e-4) << codec->key();
      }
    }
  }
}

TEST(Methods, StoreZerosExactlyAndPadWithZerosCode) {
  const std::int64_t width = 40, rows = 3;
  std::vector<float> values = testing::trained_weights(rows * width, 2);
  std::fill(values.begin() + width, values.begin() + 2 * width, 0.0f);
  for (const bool symmetric : {true, false}) {
    for (const CodecPtr& codec : codecs({.bits = 4, .block_size = 32, .symmetric = symmetric}, width)) {
      const testing::Encoded encoded = encode(*codec, values, rows, width);
      const std::vector<float> decoded = decode(*codec, encoded, rows, width);
      for (std::int64_t k = 0; k < width; ++k)
        EXPECT_EQ(decoded[static_cast<std::size_t>(width + k)], 0.0f) << codec->key();
      const auto codes = encoded.as<std::uint8_t>(0);
      const int zero = symmetric ? 8 : encoded.as<std::uint8_t>(2).at(0) >> 4;  // of the second block
      EXPECT_EQ(codes.at(16 + 15), zero | zero << 4) << codec->key();
      EXPECT_EQ(codes.at(16 + 4), zero | zero << 4) << codec->key();
    }
  }
}

TEST(Gptq, CostsLessThanTheWeightedSearch) {
  const std::int64_t width = 128, rows = 32;
  const std::vector<float> values = testing::trained_weights(rows * width, 4), hessian = hessian_of(width, 3);
  const auto input = input_of(width);
  std::vector<float> diagonal(hessian.size());  // what the weighted search sees of it
  for (std::size_t i = 0; i < diagonal.size(); i += static_cast<std::size_t>(width) + 1)
    diagonal[i] = hessian[i];
  const auto cost = [&](const Codec& codec, const std::vector<float>& price) {
    return form(values, decode(codec, encode(codec, values, rows, width), rows, width), price, width);
  };
  for (const bool symmetric : {true, false}) {
    const BlockwiseOptions options{.bits = 4, .block_size = 32, .symmetric = symmetric};
    const CodecPtr plain = blockwise_codec({4, 32, symmetric, false}),
                   weighted = weighted_codec(options, input);
    EXPECT_LT(cost(*weighted, diagonal), 0.95 * cost(*plain, diagonal));
    const double rounded = cost(*gptq_codec(options, input, factors(), 0), hessian);
    const double descended = cost(*gptq_codec(options, input, factors()), hessian);
    EXPECT_LT(rounded, 0.7 * cost(*weighted, hessian));
    EXPECT_LT(descended, 0.97 * rounded);
  }
}

TEST(Gptq, AnInputThatIsAlwaysZeroStillWorks) {
  const std::int64_t width = 32;
  const auto input = std::make_shared<KnownInput>(width, std::vector<float>(32 * 32));
  const std::vector<float> values = testing::trained_weights(4 * width, 4);
  const CodecPtr codec = gptq_codec({}, input, factors());
  const std::vector<float> decoded = decode(*codec, encode(*codec, values, 4, width), 4, width);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(decoded[i], values[i], 0.1f);
}

TEST(Gptq, RefusesAHessianThatIsNone) {
  std::vector<float> broken = hessian_of(32, 3);
  broken[5 * 32 + 6] = broken[6 * 32 + 5] = 1e6f;
  EXPECT_THROW(Factor(KnownInput(32, broken)), Error);
  broken[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(Factor(KnownInput(32, broken)), Error);
}

TEST(FactorCache, MakesOneFactorPerInputAndForgetsTheOldest) {
  const auto first = input_of(32), second = input_of(48);
  FactorCache cache(Factor::bytes(48));
  const FactorPtr factor = cache.get(first);
  EXPECT_EQ(cache.get(first), factor);
  EXPECT_EQ(first->reads, 1);
  cache.get(second);  // both do not fit
  cache.get(first);
  EXPECT_EQ(first->reads, 2);
}

TEST(FactorCache, SeveralThreadsShareOneFactor) {
  const auto input = input_of(64);
  FactorCache cache(1 << 20);
  FactorPtr made[4];
  std::vector<std::thread> threads;
  for (FactorPtr& factor : made) threads.emplace_back([&] { factor = cache.get(input); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(input->reads, 1);
  for (const FactorPtr& factor : made) EXPECT_EQ(factor, made[0]);
}

}  // namespace
}  // namespace bantam
