#include "base/transpose.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace bantam {
namespace {

template <int kBytes>
struct Vector;
template <>
struct Vector<1> {
  typedef std::uint8_t Type __attribute__((vector_size(16)));
  static Type low(Type a, Type b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  }
  static Type high(Type a, Type b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
};
template <>
struct Vector<2> {
  typedef std::uint16_t Type __attribute__((vector_size(16)));
  static Type low(Type a, Type b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
  static Type high(Type a, Type b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
};
template <>
struct Vector<4> {
  typedef std::uint32_t Type __attribute__((vector_size(16)));
  static Type low(Type a, Type b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
  static Type high(Type a, Type b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
};

// One square of 16 bytes by 16 / kBytes rows. Interleaving the first half of the rows with the second half
// moves one bit of the row index into the column index; doing it for every bit transposes.
template <int kBytes>
inline void transpose_square(const std::byte* in, std::int64_t in_stride, std::byte* out,
                             std::int64_t out_stride) {
  constexpr int kSide = 16 / kBytes;
  using Vec = Vector<kBytes>;
  typename Vec::Type a[kSide], b[kSide];
#pragma GCC unroll 16
  for (int i = 0; i < kSide; ++i) std::memcpy(&a[i], in + i * in_stride, 16);
#pragma GCC unroll 4
  for (int step = 1; step < kSide; step *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < kSide / 2; ++i) {
      b[2 * i] = Vec::low(a[i], a[i + kSide / 2]);
      b[2 * i + 1] = Vec::high(a[i], a[i + kSide / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) a[i] = b[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < kSide; ++i) std::memcpy(out + i * out_stride, &a[i], 16);
}

template <int kBytes>
void transpose_rest(const std::byte* in, std::int64_t rows, std::int64_t columns, std::int64_t in_stride,
                    std::byte* out, std::int64_t out_stride) {
  for (std::int64_t column = 0; column < columns; ++column) {
    for (std::int64_t row = 0; row < rows; ++row) {
      std::memcpy(out + column * out_stride + row * kBytes, in + row * in_stride + column * kBytes, kBytes);
    }
  }
}

// A square of one cache line by one cache line. The copies keep rows apart whose distance is a power of two:
// those fall into the same few sets of the cache.
template <int kBytes>
void transpose_tile(const std::byte* in, std::int64_t in_stride, std::byte* out, std::int64_t out_stride) {
  constexpr std::int64_t kLine = 64, kTile = kLine / kBytes, kSide = 16 / kBytes;
  alignas(64) std::byte tile[kTile * kLine], turned[kTile * kLine];
  for (std::int64_t i = 0; i < kTile; ++i) std::memcpy(tile + i * kLine, in + i * in_stride, kLine);
  for (std::int64_t c = 0; c < kTile; c += kSide) {
    for (std::int64_t r = 0; r < kTile; r += kSide) {
      transpose_square<kBytes>(tile + r * kLine + c * kBytes, kLine, turned + c * kLine + r * kBytes, kLine);
    }
  }
  for (std::int64_t i = 0; i < kTile; ++i) std::memcpy(out + i * out_stride, turned + i * kLine, kLine);
}

// Neighbours in a row of `out` follow each other, a few tiles long, so that lines that two tiles share are
// completed while they are in the cache.
template <int kBytes>
void transpose_matrix(const std::byte* in, std::int64_t rows, std::int64_t columns, std::int64_t in_stride,
                      std::byte* out, std::int64_t out_stride) {
  constexpr std::int64_t kTile = 64 / kBytes, kPanel = 4 * kTile;
  for (std::int64_t panel = 0; panel < rows; panel += kPanel) {
    for (std::int64_t column = 0; column < columns; column += kTile) {
      for (std::int64_t row = panel; row < std::min(rows, panel + kPanel); row += kTile) {
        const std::byte* from = in + row * in_stride + column * kBytes;
        std::byte* to = out + column * out_stride + row * kBytes;
        if (rows - row >= kTile && columns - column >= kTile) {
          transpose_tile<kBytes>(from, in_stride, to, out_stride);
        } else {
          transpose_rest<kBytes>(from, std::min(kTile, rows - row), std::min(kTile, columns - column),
                                 in_stride, to, out_stride);
        }
      }
    }
  }
}

}  // namespace

void transpose(const std::byte* in, std::int64_t rows, std::int64_t columns, std::int64_t in_stride,
               std::byte* out, std::int64_t out_stride, int element_bytes) {
  switch (element_bytes) {
    case 1:
      return transpose_matrix<1>(in, rows, columns, in_stride, out, out_stride);
    case 2:
      return transpose_matrix<2>(in, rows, columns, in_stride, out, out_stride);
    case 4:
      return transpose_matrix<4>(in, rows, columns, in_stride, out, out_stride);
    default:
      BANTAM_ASSERT(!"elements of 1, 2 or 4 bytes");
  }
}

}  // namespace bantam
