#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "calibrate/ranges/range_picker.h"

namespace bantam {
namespace {

constexpr double kLevels = 255;
constexpr int kSteps = 60;  // tenths of an octave: at most a factor of 64 off either end
constexpr int kRounds = 3;

}  // namespace

double range_error(std::span<const std::int64_t> counts, Range range, float low, float high) {
  BANTAM_ASSERT(std::ssize(counts) == Histogram::kBins);
  const double step = (static_cast<double>(range.high) - range.low) / kLevels;
  // Zero has a code, so that the grid may reach half a step less far than asked for.
  const double zero = step > 0 ? std::nearbyint(-range.low / step) : 0;
  const double bottom = -zero * step, top = (kLevels - zero) * step;
  double error = 0;
  const std::int32_t first = Histogram::bin(low), last = Histogram::bin(high);
  for (std::int32_t bin = first; bin <= last; ++bin) {
    const auto count = static_cast<double>(counts[static_cast<std::size_t>(bin)]);
    if (count == 0) continue;
    const double left = std::max<double>(Histogram::lower_edge(bin), low);
    const double right = std::min<double>(Histogram::upper_edge(bin), high);
    const double middle = (left + right) / 2, width = right - left;
    double distance = 0;
    double spread = width * width / 12;  // of the values around the middle of their bin
    if (middle < bottom) {
      distance = bottom - middle;
    } else if (middle > top) {
      distance = middle - top;
    } else if (width > step / 2) {
      spread = step * step / 12;  // several codes in one bin
    } else {
      distance = middle - step * std::nearbyint(middle / step);
    }
    error += count * (distance * distance + spread);
  }
  return error;
}

Range least_error_range(std::span<const std::int64_t> counts, float low, float high) {
  Range best{std::min(low, 0.0f), std::max(high, 0.0f)};
  const Range widest = best;
  double least = range_error(counts, best, low, high);
  for (int round = 0; round < kRounds; ++round) {
    const Range before = best;
    for (float Range::*end : {&Range::low, &Range::high}) {
      for (int step = 1; step <= kSteps; ++step) {
        Range tried = best;
        tried.*end = static_cast<float>(widest.*end * std::exp2(-step / 10.0));
        if (tried.high <= tried.low) break;
        const double error = range_error(counts, tried, low, high);
        if (error < least) {
          least = error;
          best = tried;
        } else if (error > 4 * least) {
          break;  // cut far too much already
        }
      }
    }
    if (best.low == before.low && best.high == before.high) break;
  }
  return best;
}

}  // namespace bantam
