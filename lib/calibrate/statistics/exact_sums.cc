#include "calibrate/statistics/exact_sums.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace bantam {
namespace {

__extension__ using Wide = __int128;
__extension__ using UnsignedWide = unsigned __int128;

constexpr double kChannelGrid = 0x1p48;
constexpr double kWord = 0x1p64;

Wide wide(const std::int64_t* words) {
  return static_cast<Wide>(words[1]) * (static_cast<Wide>(1) << 64) +
         static_cast<Wide>(static_cast<std::uint64_t>(words[0]));
}

void store(Wide value, std::int64_t* words) {
  words[0] = static_cast<std::int64_t>(static_cast<std::uint64_t>(value));
  words[1] = static_cast<std::int64_t>(value >> 64);
}

}  // namespace

ChannelSums::ChannelSums(std::int64_t channels) : words_(static_cast<std::size_t>(2 * channels)) {}

void ChannelSums::add(std::int64_t channel, double partial) {
  BANTAM_ASSERT(std::abs(partial) < 0x1p58);
  std::int64_t* words = words_.data() + 2 * channel;
  store(wide(words) + static_cast<Wide>(std::nearbyint(partial * kChannelGrid)), words);
}

// Wrapping: sums from a damaged file may be anything.
void ChannelSums::add(const ChannelSums& other) {
  BANTAM_ASSERT(words_.size() == other.words_.size());
  for (std::size_t i = 0; i < words_.size(); i += 2) {
    const auto sum =
        static_cast<UnsignedWide>(wide(&words_[i])) + static_cast<UnsignedWide>(wide(&other.words_[i]));
    store(static_cast<Wide>(sum), &words_[i]);
  }
}

double ChannelSums::at(std::int64_t channel) const {
  const std::int64_t* words = words_.data() + 2 * channel;
  return (static_cast<double>(words[1]) * kWord + static_cast<double>(static_cast<std::uint64_t>(words[0]))) /
         kChannelGrid;
}

double TriangleSums::scale(int bin) {
  return std::ldexp(1.0, 26 - 16 * bin);
}

TriangleSums::Target TriangleSums::target(double largest) {
  BANTAM_ASSERT(largest > 0 && std::isfinite(largest));
  const int bin =
      std::clamp(static_cast<int>(std::floor(std::ilogb(largest) / 16.0)), kLowestBin, kHighestBin);
  std::vector<std::int64_t>& sums = bins_[bin];
  if (sums.empty()) sums.resize(static_cast<std::size_t>(triangle_size(width_)));
  return {sums, scale(bin)};
}

void TriangleSums::add(const TriangleSums& other) {
  BANTAM_ASSERT(width_ == other.width_);
  for (const auto& [bin, sums] : other.bins_) {
    std::vector<std::int64_t>& mine = bins_[bin];
    if (mine.empty()) mine.resize(sums.size());
    for (std::size_t i = 0; i < sums.size(); ++i) {
      mine[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(mine[i]) +
                                          static_cast<std::uint64_t>(sums[i]));
    }
  }
}

void TriangleSums::read(double factor, std::span<float> out) const {
  BANTAM_ASSERT(std::ssize(out) == width_ * width_);
  std::ranges::fill(out, 0.0f);
  const auto at = [&](std::int64_t row, std::int64_t column) -> float& {
    return out[static_cast<std::size_t>(row * width_ + column)];
  };
  for (std::int64_t row = 0; row < width_; ++row) {
    for (std::int64_t column = row; column < width_; ++column) {
      double sum = 0;
      for (const auto& [bin, sums] : bins_) {
        sum += static_cast<double>(sums[static_cast<std::size_t>(triangle_row(width_, row) + column)]) /
               scale(bin);
      }
      at(row, column) = at(column, row) = static_cast<float>(sum * factor);
    }
  }
}

}  // namespace bantam
