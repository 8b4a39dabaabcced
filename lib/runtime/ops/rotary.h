#pragma once

#include <cstdint>
#include <span>

#include "runtime/kernels/attention.h"

namespace bantam {

// Rotary position embedding: pairs (first half, second half), or neighbours when interleaved, of the first
// `size` columns are turned by the angle of their position; the other columns are copied.
struct Rotary {
  const float* cos = nullptr;  // [positions, size / 2]
  const float* sin = nullptr;
  std::int64_t positions = 0;
  std::int64_t size = 0;
  bool interleaved = false;
};

// out may be x. `position` is checked against the tables.
void rotate(const Rotary& rotary, std::int64_t position, const float* x, float* out, std::int64_t head_size);

}  // namespace bantam
