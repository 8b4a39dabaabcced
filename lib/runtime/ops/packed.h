#pragma once

#include "runtime/memory.h"
#include "runtime/tensor.h"

namespace bantam {

// int4 / uint4 elements (two per byte, low nibble first) as int8 / uint8 of the same shape.
Tensor unpack_nibbles(const Tensor& packed, Memory& memory);
// The inverse; `dtype` is kI4 or kU4. Values keep their low four bits.
Tensor pack_nibbles(const Tensor& bytes, DType dtype, Memory& memory);

}  // namespace bantam
