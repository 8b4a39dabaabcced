#include <algorithm>

#include "base/checked.h"
#include "base/convert_kernels.h"
#include "base/error.h"
#include "runtime/constants.h"

namespace bantam {
namespace {

constexpr std::int64_t kGrain = 1 << 16;

// Runs body(begin, count) over pieces of [0, count).
template <typename Body>
void in_pieces(std::int64_t count, ThreadPool* pool, const Body& body) {
  const auto piece = [&](std::int64_t item, int) {
    body(item * kGrain, std::min(kGrain, count - item * kGrain));
  };
  const std::int64_t pieces = ceil_div(count, kGrain);
  if (pool != nullptr) {
    pool->run(pieces, piece);
  } else {
    for (std::int64_t i = 0; i < pieces; ++i) piece(i, 0);
  }
}

}  // namespace

Tensor to_float32(const Tensor& half, Memory& memory, ThreadPool* pool) {
  BANTAM_ASSERT(is_half(half.dtype()));
  Tensor floats(DType::kF32, half.shape(), memory.allocate(half.count() * 4));
  const auto& kernels = convert_kernels();
  const auto convert = half.dtype() == DType::kF16 ? kernels.fp16_to_float : kernels.bf16_to_float;
  const std::uint16_t* in = half.data<std::uint16_t>().data();
  float* out = floats.mutable_data<float>().data();
  in_pieces(half.count(), pool,
            [&](std::int64_t begin, std::int64_t count) { convert(in + begin, out + begin, count); });
  return floats;
}

Tensor to_half(const Tensor& floats, DType narrow, Memory& memory, ThreadPool* pool) {
  BANTAM_ASSERT(is_half(narrow));
  Tensor half(narrow, floats.shape(), memory.allocate(floats.count() * 2));
  const auto& kernels = convert_kernels();
  const auto convert = narrow == DType::kF16 ? kernels.float_to_fp16 : kernels.float_to_bf16;
  const float* in = floats.data<float>().data();
  std::uint16_t* out = half.mutable_data<std::uint16_t>().data();
  in_pieces(floats.count(), pool,
            [&](std::int64_t begin, std::int64_t count) { convert(in + begin, out + begin, count); });
  return half;
}

}  // namespace bantam
