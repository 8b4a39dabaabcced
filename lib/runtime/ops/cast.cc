// Cast and CastLike between all element types, strings included.
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "runtime/constants.h"
#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/packed.h"

namespace bantam {
namespace {

// A float outside the integer's range is undefined in C++; here it does what x86 and numpy do: truncate to 64
// bits (the smallest int64 when that is not possible), then keep the low bits.
template <typename To, typename From>
To convert(From value) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if constexpr (std::is_same_v<To, std::uint64_t>) {
      if (value >= static_cast<From>(0x1p63) && value < static_cast<From>(0x1p64))
        return static_cast<To>(value);
    }
    const bool fits = value >= static_cast<From>(-0x1p63) && value < static_cast<From>(0x1p63);
    return static_cast<To>(fits ? static_cast<std::int64_t>(value) : INT64_MIN);
  } else {
    return static_cast<To>(value);
  }
}

template <typename From, typename To>
void convert_all(const Tensor& x, Tensor& y, ThreadPool& pool) {
  const From* in = x.data<From>().data();
  To* out = y.mutable_data<To>().data();
  parallel_pieces(pool, x.count(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = convert<To>(in[i]);
  });
}

template <typename From>
void to_bool(const Tensor& x, Tensor& y) {
  const From* in = x.data<From>().data();
  std::uint8_t* out = y.mutable_data<std::uint8_t>().data();
  for (std::int64_t i = 0; i < x.count(); ++i) out[i] = in[i] != From{0} ? 1 : 0;
}

std::string number_text(double value, bool single) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "INF" : "-INF";
  return single ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
}

double parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) fail("\"{}\" is not a number", text);
  return value;
}

// A tensor of plain numbers to another type of plain numbers, bool among them.
Tensor cast_numbers(const Tensor& x, DType to, Memory& memory, ThreadPool& pool) {
  Tensor y(to, x.shape(), memory.allocate(byte_size(to, x.count())));
  const DType from = x.dtype() == DType::kBool ? DType::kU8 : x.dtype();
  const Tensor source = x.retyped(from, x.shape());
  visit_numbers(from, [&]<typename From>() {
    if (to == DType::kBool) return to_bool<From>(source, y);
    visit_numbers(to, [&]<typename To>() { convert_all<From, To>(source, y, pool); });
  });
  return y;
}

Tensor to_strings(const Tensor& x) {
  std::vector<std::string> out;
  visit_numbers(x.dtype(), [&]<typename T>() {
    for (const T value : x.data<T>()) {
      if constexpr (std::is_floating_point_v<T>) {
        out.push_back(number_text(value, sizeof(T) == 4));
      } else {
        out.push_back(std::to_string(value));
      }
    }
  });
  return Tensor::of_strings(x.shape(), std::move(out));
}

Tensor from_strings(const Tensor& x) {
  Tensor y(DType::kF64, x.shape());
  auto out = y.mutable_data<double>();
  std::transform(x.strings().begin(), x.strings().end(), out.begin(), parse_number);
  return y;
}

// Through the wide form of each side: half floats as float32, 4-bit values as int8 or uint8, strings as
// double.
Tensor cast(const Tensor& x, DType to, Memory& memory, ThreadPool& pool) {
  const DType from = x.dtype();
  if (from == to) return x;
  if (is_half(from)) return cast(to_float32(x, memory, &pool), to, memory, pool);
  if (from == DType::kI4 || from == DType::kU4) return cast(unpack_nibbles(x, memory), to, memory, pool);
  if (from == DType::kString) return cast(from_strings(x), to, memory, pool);
  if (is_half(to)) return to_half(cast(x, DType::kF32, memory, pool), to, memory, &pool);
  if (to == DType::kI4 || to == DType::kU4) {
    return pack_nibbles(cast(x, to == DType::kI4 ? DType::kI8 : DType::kU8, memory, pool), to, memory);
  }
  if (to == DType::kString) return to_strings(x);
  return cast_numbers(x, to, memory, pool);
}

void ignore_float8_attributes(OpNode& node) {
  if (node.opset() >= 19) node.ignore("saturate");
  if (node.opset() >= 24) node.ignore("round_mode");
}

RunFn make_cast(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  ignore_float8_attributes(node);
  const std::int64_t code = node.integer("to");
  const auto to = dtype_from_onnx(static_cast<int>(code));
  if (!to || *to == DType::kUndefined) fail("element type {} is not supported", code);
  return [to = *to](OpRun& run) { run.set_output(0, cast(run.input(0), to, run.memory(), run.pool())); };
}

RunFn make_cast_like(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  ignore_float8_attributes(node);
  return [](OpRun& run) {
    run.set_output(0, cast(run.input(0), run.input(1).dtype(), run.memory(), run.pool()));
  };
}

RunFn make_bit_cast(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const std::int64_t code = node.integer("to");
  const auto to = dtype_from_onnx(static_cast<int>(code));
  if (!to || info(*to).bits < 8) fail("element type {} is not supported", code);
  return [to = *to](OpRun& run) {
    const Tensor& x = run.input(0);
    if (info(x.dtype()).bits != info(to).bits) fail("{} as {}: the widths differ", name(x.dtype()), name(to));
    run.set_output(0, x.retyped(to, x.shape()));
  };
}

}  // namespace

std::span<const OpDef> cast_ops() {
  static constexpr OpDef kOps[] = {
      {"", "BitCast", 26, make_bit_cast, Half::kAsIs},
      {"", "Cast", 6, make_cast, Half::kAsIs},
      {"", "CastLike", 15, make_cast_like, Half::kAsIs},
  };
  return kOps;
}

}  // namespace bantam
