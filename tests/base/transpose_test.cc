#include "base/transpose.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace bantam {
namespace {

TEST(Transpose, MovesEveryElementOfOddMatricesAndNothingElse) {
  struct Size {
    std::int64_t rows, columns;
  };
  for (const int bytes : {1, 2, 4}) {
    for (const Size size :
         {Size{1, 1}, {1, 200}, {200, 1}, {16, 16}, {64, 64}, {65, 63}, {130, 257}, {300, 150}, {7, 0}}) {
      const std::int64_t in_stride = size.columns * bytes + 5, out_stride = size.rows * bytes + 3;
      std::vector<std::byte> in(static_cast<std::size_t>(size.rows * in_stride));
      std::uint32_t random = 1;
      for (std::byte& byte : in)
        byte = static_cast<std::byte>((random = random * 1664525u + 1013904223u) >> 24);
      std::vector<std::byte> expected(static_cast<std::size_t>(size.columns * out_stride), std::byte{0xa5});
      std::vector<std::byte> out = expected;
      for (std::int64_t r = 0; r < size.rows; ++r) {
        for (std::int64_t c = 0; c < size.columns; ++c) {
          std::memcpy(expected.data() + c * out_stride + r * bytes, in.data() + r * in_stride + c * bytes,
                      static_cast<std::size_t>(bytes));
        }
      }
      transpose(in.data(), size.rows, size.columns, in_stride, out.data(), out_stride, bytes);
      ASSERT_EQ(out, expected) << size.rows << "x" << size.columns << " of " << bytes;
    }
  }
}

}  // namespace
}  // namespace bantam
