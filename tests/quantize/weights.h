#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "graph/codec.h"

namespace bantam::testing {

// Values as trained layers have them: normal, with a few outliers.
inline std::vector<float> trained_weights(std::int64_t count, std::uint32_t seed, float deviation = 0.05f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = random() % 100 == 0 ? 4.0f * normal(random) : normal(random);
  return values;
}

// The parts that a codec makes of one matrix.
struct Encoded {
  std::vector<PartSpec> specs;
  std::vector<std::vector<std::byte>> bytes;

  template <typename T>
  std::vector<T> as(std::size_t part) const {
    std::vector<T> values(bytes.at(part).size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes[part].data(), values.size() * sizeof(T));
    return values;
  }
};

// Encodes in tiles of `tile` rows (0: all at once).
inline Encoded encode(const Codec& codec, std::span<const float> values, std::int64_t rows,
                      std::int64_t width, std::int64_t tile = 0) {
  Encoded encoded;
  encoded.specs = codec.parts({"weight", DType::kF32, {rows, width}});
  for (const PartSpec& spec : encoded.specs)
    encoded.bytes.emplace_back(static_cast<std::size_t>(spec.bytes()));
  if (tile == 0) tile = rows;
  for (std::int64_t first = 0; first < rows; first += tile) {
    const std::int64_t count = std::min(tile, rows - first);
    std::vector<std::span<std::byte>> parts;
    for (std::vector<std::byte>& part : encoded.bytes) {
      const std::size_t row_bytes = part.size() / static_cast<std::size_t>(rows);
      parts.push_back(std::span(part).subspan(static_cast<std::size_t>(first) * row_bytes,
                                              static_cast<std::size_t>(count) * row_bytes));
    }
    codec.encode(
        values.subspan(static_cast<std::size_t>(first * width), static_cast<std::size_t>(count * width)),
        width, parts);
  }
  return encoded;
}

inline std::vector<float> decode(const Codec& codec, const Encoded& encoded, std::int64_t rows,
                                 std::int64_t width) {
  std::vector<std::span<const std::byte>> parts(encoded.bytes.begin(), encoded.bytes.end());
  std::vector<float> values(static_cast<std::size_t>(rows * width));
  codec.decode(parts, width, values);
  return values;
}

}  // namespace bantam::testing
