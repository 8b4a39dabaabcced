// Elementwise arithmetic of two or more inputs with broadcasting.
#include <cmath>

#include "runtime/ops/broadcast.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

template <typename T, typename R, typename F>
void apply_run(const T* a, std::int64_t a_step, const T* b, std::int64_t b_step, R* out, std::int64_t count,
               F f) {
  if (a_step == 1 && b_step == 1) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = f(a[i], b[i]);
  } else if (a_step == 1) {
    const T right = *b;
    for (std::int64_t i = 0; i < count; ++i) out[i] = f(a[i], right);
  } else if (b_step == 1) {
    const T left = *a;
    for (std::int64_t i = 0; i < count; ++i) out[i] = f(left, b[i]);
  } else {
    std::fill_n(out, count, static_cast<R>(f(*a, *b)));
  }
}

template <typename T, typename F>
void apply(OpRun& run, F f) {
  const Tensor& a = run.input(0);
  const Tensor& b = run.input(1);
  const Shape shape = broadcast_shape(a.shape(), b.shape());
  const T* left = a.data<T>().data();
  const T* right = b.data<T>().data();
  // Whichever input has the shape of the output may give its memory.
  Tensor& y = run.output_over(0, a.shape() == shape ? 0 : b.shape() == shape ? 1 : -1, a.dtype(), shape);
  T* out = y.mutable_data<T>().data();
  const Shape* shapes[] = {&a.shape(), &b.shape()};
  const BroadcastWalk walk(shapes, shape);
  walk.run(run.pool(), [&](std::int64_t at, const auto& offsets, std::int64_t count) {
    apply_run(left + offsets[0], walk.inner_stride(0), right + offsets[1], walk.inner_stride(1), out + at,
              count, f);
  });
}

template <typename F, typename... Ts>
RunFn make_binary(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  return
      [](OpRun& run) { visit_types<Ts...>(run.input(0).dtype(), [&]<typename T>() { apply<T>(run, F{}); }); };
}
template <typename F>
RunFn make_number(OpNode& node) {
  return make_binary<F, float, double, std::int64_t, std::int32_t, std::int16_t, std::int8_t, std::uint64_t,
                     std::uint32_t, std::uint16_t, std::uint8_t>(node);
}
template <typename F>
RunFn make_integer(OpNode& node) {
  return make_binary<F, std::int64_t, std::int32_t, std::int16_t, std::int8_t, std::uint64_t, std::uint32_t,
                     std::uint16_t, std::uint8_t>(node);
}

// Integer arithmetic wraps around, as numpy's does; signed overflow is undefined in C++.
template <typename T>
struct WrapOf {
  using Type = std::conditional_t<(sizeof(T) < 4), std::uint32_t, std::make_unsigned_t<T>>;
};
template <>
struct WrapOf<float> {
  using Type = float;
};
template <>
struct WrapOf<double> {
  using Type = double;
};
template <typename T>
using Wrap = typename WrapOf<T>::Type;

struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrap<T>>(a) + static_cast<Wrap<T>>(b));
  }
};
struct Sub {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrap<T>>(a) - static_cast<Wrap<T>>(b));
  }
};
struct Mul {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrap<T>>(a) * static_cast<Wrap<T>>(b));
  }
};
struct Div {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (!std::is_floating_point_v<T>) {
      if (b == 0) fail("integer division by zero");
      if constexpr (std::is_signed_v<T>) {
        if (b == T{-1}) return Sub{}(T{0}, a);
      }
    }
    return static_cast<T>(a / b);
  }
};
struct Max {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(a)) return a;
      if (std::isnan(b)) return b;
    }
    return a < b ? b : a;
  }
};
struct Min {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(a)) return a;
      if (std::isnan(b)) return b;
    }
    return b < a ? b : a;
  }
};
// The sign of the result follows the divisor, as in Python.
struct FloorMod {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      const T rest = std::fmod(a, b);
      if (rest == T{0}) return std::copysign(T{0}, b);
      return (rest < T{0}) != (b < T{0}) ? rest + b : rest;
    } else {
      if (b == 0) fail("integer division by zero");
      if constexpr (std::is_signed_v<T>) {
        if (b == T{-1}) return 0;
      }
      const T rest = static_cast<T>(a % b);
      return rest != 0 && ((rest < 0) != (b < 0)) ? static_cast<T>(rest + b) : rest;
    }
  }
};
// The sign of the result follows the dividend, as in C.
struct TruncMod {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fmod(a, b);
    } else {
      if (b == 0) fail("integer division by zero");
      if constexpr (std::is_signed_v<T>) {
        if (b == T{-1}) return 0;
      }
      return static_cast<T>(a % b);
    }
  }
};
struct BitwiseAnd {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a & b);
  }
};
struct BitwiseOr {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a | b);
  }
};
struct BitwiseXor {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(a ^ b);
  }
};
// Shifts by more than the width, or by a negative count, leave what the sign alone fills in.
struct ShiftLeft {
  template <typename T>
  T operator()(T a, T b) const {
    if (b < T{0} || static_cast<std::uint64_t>(b) >= sizeof(T) * 8) return T{0};
    return static_cast<T>(static_cast<std::uint64_t>(a) << b);
  }
};
struct ShiftRight {
  template <typename T>
  T operator()(T a, T b) const {
    if (b < T{0} || static_cast<std::uint64_t>(b) >= sizeof(T) * 8)
      return a < T{0} ? static_cast<T>(-1) : T{0};
    return static_cast<T>(a >> b);
  }
};
struct PRelu {
  template <typename T>
  T operator()(T x, T slope) const {
    return x < T{0} ? static_cast<T>(x * slope) : x;
  }
};

RunFn make_mod(OpNode& node) {
  if (node.flag("fmod", false)) return make_number<TruncMod>(node);
  return node.opset() >= 28 ? make_number<FloorMod>(node) : make_integer<FloorMod>(node);
}

RunFn make_bit_shift(OpNode& node) {
  const std::string direction = node.text("direction");
  if (direction != "LEFT" && direction != "RIGHT") {
    fail("attribute direction is \"{}\" where LEFT or RIGHT was expected", direction);
  }
  return direction == "LEFT" ? make_integer<ShiftLeft>(node) : make_integer<ShiftRight>(node);
}

// Base and exponent may differ in type; the result has the type of the base.
template <typename T, typename E>
T power(T base, E exponent) {
  if constexpr (std::is_same_v<T, float> && std::is_same_v<E, float>) {
    if (exponent == 2.0f) return base * base;
    if (exponent == 0.5f) return std::sqrt(base);
    return std::pow(base, exponent);
  } else if constexpr (std::is_integral_v<T> && std::is_integral_v<E>) {
    if (exponent < 0) return base == 1 ? T{1} : base == T(-1) ? (exponent % 2 == 0 ? T{1} : T(-1)) : T{0};
    T result = 1;
    for (auto rest = static_cast<std::uint64_t>(exponent); rest > 0; rest >>= 1) {
      if ((rest & 1) != 0) result = Mul{}(result, base);
      base = Mul{}(base, base);
    }
    return result;
  } else {
    return static_cast<T>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
}

RunFn make_pow(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    const Tensor& a = run.input(0);
    const Tensor& b = run.input(1);
    const Shape shape = broadcast_shape(a.shape(), b.shape());
    const Shape* shapes[] = {&a.shape(), &b.shape()};
    const BroadcastWalk walk(shapes, shape);
    Tensor& y = run.output(0, a.dtype(), shape);
    visit_types<float, double, std::int64_t, std::int32_t>(a.dtype(), [&]<typename T>() {
      visit_numbers(b.dtype(), [&]<typename E>() {
        const T* base = a.data<T>().data();
        const E* exponent = b.data<E>().data();
        T* out = y.mutable_data<T>().data();
        walk.run(run.pool(), [&](std::int64_t at, const auto& offsets, std::int64_t count) {
          for (std::int64_t i = 0; i < count; ++i) {
            out[at + i] = power(base[offsets[0] + i * walk.inner_stride(0)],
                                exponent[offsets[1] + i * walk.inner_stride(1)]);
          }
        });
      });
    });
  };
}

// a * sigmoid(alpha * a) * b, without broadcasting.
RunFn make_swiglu(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  const float alpha = node.real("alpha", 1.0f);
  return [=](OpRun& run) {
    expect_shape(run.input(1), run.input(0).shape(), "B");
    visit_types<float, double>(run.input(0).dtype(), [&]<typename T>() {
      apply<T>(run, [&](T a, T b) { return a / (T{1} + std::exp(-static_cast<T>(alpha) * a)) * b; });
    });
  };
}

// Max, Min, Sum and Mean take any number of inputs: folded from the left.
template <typename F, bool kMean = false>
RunFn make_variadic(OpNode& node) {
  node.expect_inputs(1, INT32_MAX);
  node.expect_inputs(node.input_count(), node.input_count());
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    std::vector<const Shape*> shapes;
    for (int i = 0; i < run.input_count(); ++i) shapes.push_back(&run.input(i).shape());
    const Shape shape = broadcast_shape(shapes);
    Tensor& y = run.output(0, run.input(0).dtype(), shape);
    visit_numbers(y.dtype(), [&]<typename T>() {
      T* out = y.mutable_data<T>().data();
      for (int i = 0; i < run.input_count(); ++i) {
        const T* in = run.input(i).data<T>().data();
        const Shape* both[] = {&shape, &run.input(i).shape()};
        const BroadcastWalk walk(both, shape);
        walk.run(run.pool(), [&](std::int64_t at, const auto& offsets, std::int64_t count) {
          const std::int64_t step = walk.inner_stride(1);
          for (std::int64_t k = 0; k < count; ++k) {
            const T value = in[offsets[1] + k * step];
            out[at + k] = i == 0 ? value : F{}(out[at + k], value);
          }
        });
      }
      if constexpr (kMean) {
        for (std::int64_t k = 0; k < y.count(); ++k)
          out[k] = static_cast<T>(out[k] / static_cast<T>(run.input_count()));
      }
    });
  };
}

}  // namespace

std::span<const OpDef> binary_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Add", 7, make_number<Add>},
      {"", "BitShift", 11, make_bit_shift},
      {"", "BitwiseAnd", 18, make_integer<BitwiseAnd>},
      {"", "BitwiseOr", 18, make_integer<BitwiseOr>},
      {"", "BitwiseXor", 18, make_integer<BitwiseXor>},
      {"", "Div", 7, make_number<Div>},
      {"", "Max", 8, make_variadic<Max>},
      {"", "Mean", 8, make_variadic<Add, true>},
      {"", "Min", 8, make_variadic<Min>},
      {"", "Mod", 10, make_mod},
      {"", "Mul", 7, make_number<Mul>},
      {"", "PRelu", 7, make_number<PRelu>},
      {"", "Pow", 7, make_pow},
      {"", "Sub", 7, make_number<Sub>},
      {"", "Sum", 8, make_variadic<Add>},
      {"", "SwiGLU", 28, make_swiglu},
  };
  return kOps;
}

}  // namespace bantam
