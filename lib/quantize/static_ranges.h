#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace bantam {

// What an activation's 8-bit codes span: code c of 0 to 255 stands for (c - zero_point) * scale.
struct ActivationGrid {
  float scale = 1;
  std::uint8_t zero_point = 0;
  bool operator==(const ActivationGrid&) const = default;
};

// 255 equal steps from low to high; zero gets a code of its own, so that the ends may move by half a step. A
// range that does not hold zero is widened to it.
ActivationGrid grid_of(float low, float high);

// The ranges that calibration chose for what linears read, by the names of their weights (Weight::name).
struct ActivationRange {
  float low = 0;
  float high = 0;
};
using ActivationRanges = std::map<std::string, ActivationRange, std::less<>>;

// How static INT8 is written down.
enum class QuantFormat : std::uint8_t {
  kQdq,        // QuantizeLinear and DequantizeLinear around float operators, which runtimes fuse
  kQOperator,  // com.microsoft.MatMulIntegerToFloat
};

// A variant whose activations have ranges from calibration instead of the range of each input.
struct StaticInt8 {
  QuantFormat format = QuantFormat::kQdq;
  std::string ranges = "";  // a name of range_pickers() (calibrate/ranges); empty: the default one
  bool operator==(const StaticInt8&) const = default;
};

}  // namespace bantam
