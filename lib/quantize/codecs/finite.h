#pragma once

#include <cstdint>
#include <span>

namespace bantam {

// Throws Error that names the first value of `rows` (whole rows of `width`) whose magnitude is above `limit`,
// or which is not finite. Returns the largest magnitude.
float require_magnitudes(std::span<const float> rows, std::int64_t width, float limit);

}  // namespace bantam
