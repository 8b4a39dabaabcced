#pragma once

#include "base/lanes.h"

// For *.isa.cc files: what a block is encoded with, one block in each lane.
namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

constexpr float kSmallestScale = 0x1p-24f;  // of float16
constexpr float kLargestScale = 65504.0f;

// code = clamp(round(value / scale), lowest, highest) + zero_point, with zero_point = -lowest.
struct Grid {
  FloatLanes scale;
  FloatLanes lowest;
  FloatLanes highest;
};

struct Range {
  FloatLanes lowest;
  FloatLanes highest;
};

inline Range range_of(const FloatLanes* values, int size) {
  Range range = {values[0], values[0]};
  for (int k = 1; k < size; ++k) {
    range.lowest = smaller(range.lowest, values[k]);
    range.highest = larger(range.highest, values[k]);
  }
  return range;
}

// The nearest scale that float16 holds, never 0.
inline FloatLanes usable_scale(FloatLanes scale) {
  const FloatLanes size =
      smaller(larger(magnitude(scale), broadcast(kSmallestScale)), broadcast(kLargestScale));
  return with_sign(round_to_fp16(size), scale);
}

inline FloatLanes code_of(FloatLanes value, FloatLanes inverse, FloatLanes lowest, FloatLanes highest) {
  return round_to_even(smaller(larger(value * inverse, lowest), highest));
}

// The value of largest magnitude, kept away from 0 so that it can be divided by: below 2^-30 all codes are 0.
inline FloatLanes extreme_of(const Range& range) {
  const FloatLanes extreme = select(range.highest > -range.lowest, range.highest, range.lowest);
  return with_sign(larger(magnitude(extreme), broadcast(0x1p-30f)), extreme);
}

}  // namespace
}  // namespace bantam::BANTAM_ISA_NAMESPACE
