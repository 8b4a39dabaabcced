#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "runtime/op.h"

namespace bantam {

// Calls f.template operator()<T>() for the T among Ts that stores `dtype`; other types are an Error.
// 16-bit floats have no T of their own: ops see them widened.
template <typename... Ts, typename F>
void visit_types(DType dtype, F&& f) {
  const bool known = ((dtype_of<Ts>() == dtype ? (f.template operator()<Ts>(), true) : false) || ...);
  if (!known) fail("element type {} is not supported", name(dtype));
}

template <typename F>
void visit_floats(DType dtype, F&& f) {
  visit_types<float, double>(dtype, f);
}

template <typename F>
void visit_numbers(DType dtype, F&& f) {
  visit_types<float, double, std::int64_t, std::int32_t, std::int16_t, std::int8_t, std::uint64_t,
              std::uint32_t, std::uint16_t, std::uint8_t>(dtype, f);
}

// Calls f with an unsigned integer of the element's width: for ops that move elements without looking at
// them.
template <typename F>
void visit_widths(DType dtype, F&& f) {
  switch (info(dtype).bits) {
    case 8:
      f.template operator()<std::uint8_t>();
      break;
    case 16:
      f.template operator()<std::uint16_t>();
      break;
    case 32:
      f.template operator()<std::uint32_t>();
      break;
    case 64:
      f.template operator()<std::uint64_t>();
      break;
    default:
      fail("element type {} is not supported", name(dtype));
  }
}

// The elements as units of their width, whatever their type.
template <typename T>
const T* units(const Tensor& tensor) {
  return reinterpret_cast<const T*>(tensor.bytes().data());
}
template <typename T>
T* mutable_units(Tensor& tensor) {
  return reinterpret_cast<T*>(tensor.mutable_bytes().data());
}

// -rank..rank-1 to 0..rank-1.
inline int checked_axis(std::int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) fail("axis {} is not in a tensor of rank {}", axis, rank);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

inline void expect_rank(const Tensor& tensor, int rank, std::string_view what) {
  if (tensor.rank() != rank)
    fail("{} has shape {} where rank {} was expected", what, to_string(tensor.shape()), rank);
}
inline void expect_shape(const Tensor& tensor, const Shape& shape, std::string_view what) {
  if (tensor.shape() != shape) {
    fail("{} has shape {} where {} was expected", what, to_string(tensor.shape()), to_string(shape));
  }
}

// Product of dims [begin, end).
inline std::int64_t product(std::span<const std::int64_t> shape, int begin, int end) {
  std::int64_t value = 1;
  for (int i = begin; i < end; ++i) value *= shape[static_cast<std::size_t>(i)];
  return value;
}

// An int64 or int32 tensor as a list.
inline std::vector<std::int64_t> to_integers(const Tensor& tensor) {
  if (tensor.dtype() == DType::kI32) {
    const auto values = tensor.data<std::int32_t>();
    return {values.begin(), values.end()};
  }
  const auto values = tensor.data<std::int64_t>();
  return {values.begin(), values.end()};
}

inline std::int64_t to_integer(const Tensor& tensor) {
  const auto values = to_integers(tensor);
  if (values.size() != 1) fail("shape {} where one number was expected", to_string(tensor.shape()));
  return values[0];
}

// Runs body(begin, end) over pieces of [0, count) of about `grain` items, in parallel.
template <typename Body>
void parallel_pieces(ThreadPool& pool, std::int64_t count, std::int64_t grain, const Body& body) {
  grain = std::max<std::int64_t>(grain, 1);
  pool.run(ceil_div(count, grain),
           [&](std::int64_t piece, int) { body(piece * grain, std::min(count, (piece + 1) * grain)); });
}

// Elements per piece of cheap elementwise work: enough to pay for handing it out.
inline constexpr std::int64_t kElementGrain = 16384;

}  // namespace bantam
