#pragma once

#include <cstddef>
#include <cstdint>

namespace bantam {

// out[c][r] = in[r][c] for a matrix of `rows` x `columns` elements of 1, 2 or 4 bytes. Strides are the bytes
// between the starts of neighbouring rows of `in` and of `out`; the two must not overlap. Works for any part
// of a larger matrix, so that several threads can share one.
void transpose(const std::byte* in, std::int64_t rows, std::int64_t columns, std::int64_t in_stride,
               std::byte* out, std::int64_t out_stride, int element_bytes);

}  // namespace bantam
