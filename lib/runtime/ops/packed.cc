#include "runtime/ops/packed.h"

#include "base/error.h"

namespace bantam {

Tensor unpack_nibbles(const Tensor& packed, Memory& memory) {
  const bool is_signed = packed.dtype() == DType::kI4;
  BANTAM_ASSERT(is_signed || packed.dtype() == DType::kU4);
  Tensor bytes(is_signed ? DType::kI8 : DType::kU8, packed.shape(), memory.allocate(packed.count()));
  const auto in = packed.bytes();
  const auto out = bytes.mutable_bytes();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto nibble = static_cast<unsigned>(in[i / 2] >> (i % 2 * 4)) & 0xfu;
    // Sign extension of four bits.
    out[i] = static_cast<std::byte>(is_signed ? (nibble ^ 8u) - 8u : nibble);
  }
  return bytes;
}

Tensor pack_nibbles(const Tensor& bytes, DType dtype, Memory& memory) {
  BANTAM_ASSERT(dtype == DType::kI4 || dtype == DType::kU4);
  const std::int64_t size = byte_size(dtype, bytes.count());
  Tensor packed(dtype, bytes.shape(), memory.allocate(size));
  const auto in = bytes.bytes();
  const auto out = packed.mutable_bytes();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto low = static_cast<unsigned>(in[i * 2]) & 0xfu;
    const auto high = i * 2 + 1 < in.size() ? static_cast<unsigned>(in[i * 2 + 1]) & 0xfu : 0u;
    out[i] = static_cast<std::byte>(low | high << 4);
  }
  return packed;
}

}  // namespace bantam
