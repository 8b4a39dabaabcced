// Speed of the weight codecs on one thread: nanoseconds per weight, and the ratio to a memcpy of the same
// floats, for every instruction-set level of this machine. Usage: codec_bench
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "base/convert_kernels.h"
#include "base/transpose.h"
#include "quantize/codecs/kernels.h"

namespace bantam {
namespace {

constexpr std::int64_t kRows = 2048, kWidth = 1024, kCount = kRows * kWidth;  // a row tile of 8 MiB

// The fastest of several runs, in nanoseconds per weight.
double time_per_weight(const std::function<void()>& body) {
  double best = 1e300;
  const auto start = std::chrono::steady_clock::now();
  for (int run = 0; run < 100; ++run) {
    const auto before = std::chrono::steady_clock::now();
    body();
    const auto after = std::chrono::steady_clock::now();
    best = std::min(best, std::chrono::duration<double, std::nano>(after - before).count());
    if (run >= 4 && after - start > std::chrono::milliseconds(600)) break;
  }
  return best / static_cast<double>(kCount);
}

int run() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::vector<float> weights(kCount), copy(kCount);
  for (float& weight : weights) weight = normal(random);
  std::vector<std::uint8_t> codes(kCount), turned(kCount), zero_points(kCount / 16);
  std::vector<float> scales(kCount / 16);

  const double memcpy_time =
      time_per_weight([&] { std::memcpy(copy.data(), weights.data(), kCount * sizeof(float)); });
  const auto print = [&](std::string_view what, std::string_view level, double time) {
    fmt::print("{:<36} {:<4} {:7.3f} ns/weight {:8.2f} x memcpy\n", what, level, time, time / memcpy_time);
  };
  print("memcpy of the floats", "", memcpy_time);
  const auto bytes = [](auto& vector) { return reinterpret_cast<std::byte*>(vector.data()); };
  print("transpose bytes", "",
        time_per_weight([&] { transpose(bytes(codes), kRows, kWidth, kWidth, bytes(turned), kRows, 1); }));
  print("transpose halves", "",
        2 * time_per_weight(
                [&] { transpose(bytes(weights), kRows, kWidth / 2, kWidth, bytes(copy), 2 * kRows, 2); }));
  print("transpose floats", "", time_per_weight([&] {
          transpose(bytes(weights), kRows, kWidth, 4 * kWidth, bytes(copy), 4 * kRows, 4);
        }));
  for (const Isa level : available_isas()) {
    const CodecKernels& kernels = codec_kernels(level);
    const auto check = [&](std::int64_t first, std::int64_t count) {
      const volatile float largest = convert_kernels(level).max_abs(weights.data() + first, count);
      static_cast<void>(largest);
    };
    print("check for NaN", name(level), time_per_weight([&] { check(0, kCount); }));
    print("int8 per channel", name(level), time_per_weight([&] {
            for (std::int64_t row = 0; row < kRows; ++row) {
              check(row * kWidth, kWidth);
              kernels.encode_row(weights.data() + row * kWidth, kWidth, 700.0f, 0, -127, 127,
                                 codes.data() + row * kWidth);
            }
          }));
    print("uint8 per channel", name(level), time_per_weight([&] {
            for (std::int64_t row = 0; row < kRows; ++row) {
              check(row * kWidth, kWidth);
              float lowest = 0.0f, highest = 0.0f;
              kernels.extend_range(weights.data() + row * kWidth, kWidth, &lowest, &highest);
              kernels.encode_row(weights.data() + row * kWidth, kWidth, 700.0f, 128, 0, 255,
                                 codes.data() + row * kWidth);
            }
          }));
    const auto blocks = [&](std::string_view what, auto kernel, int bits, int size, bool search) {
      print(fmt::format("{}, blocks of {}{}", what, size, search ? ", search" : ""), name(level),
            time_per_weight([&] {
              for (std::int64_t row = 0; row < kRows; row += 32) {
                check(row * kWidth, 32 * kWidth);
                kernel({weights.data() + row * kWidth, 32, kWidth, size, search,
                        codes.data() + row * kWidth * bits / 8, kWidth * bits / 8,
                        scales.data() + row * kWidth / size, zero_points.data()});
              }
            }));
    };
    blocks("4 bits symmetric", kernels.encode_symmetric4, 4, 32, true);
    blocks("4 bits symmetric", kernels.encode_symmetric4, 4, 128, true);
    blocks("4 bits symmetric", kernels.encode_symmetric4, 4, 32, false);
    blocks("4 bits asymmetric", kernels.encode_asymmetric4, 4, 32, true);
    blocks("8 bits symmetric", kernels.encode_symmetric8, 8, 32, false);
    blocks("8 bits asymmetric", kernels.encode_asymmetric8, 8, 32, false);
  }
  return 0;
}

}  // namespace
}  // namespace bantam

int main() {
  return bantam::run();
}
