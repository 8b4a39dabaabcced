// Elementwise ops of one input: mathematical functions and activations.
#include <cmath>
#include <numbers>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

template <typename T, typename F>
void apply(OpRun& run, F f) {
  const Tensor& x = run.input(0);
  Tensor& y = run.output_over(0, 0, x.dtype(), x.shape());
  const T* in = x.data<T>().data();
  T* out = y.mutable_data<T>().data();
  parallel_pieces(run.pool(), x.count(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = f(in[i]);
  });
}

// F is a stateless generic function object; Ts the element types that the op is defined for.
template <typename F, typename... Ts>
RunFn make_unary(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return
      [](OpRun& run) { visit_types<Ts...>(run.input(0).dtype(), [&]<typename T>() { apply<T>(run, F{}); }); };
}
template <typename F>
RunFn make_float(OpNode& node) {
  return make_unary<F, float, double>(node);
}
template <typename F>
RunFn make_number(OpNode& node) {
  return make_unary<F, float, double, std::int64_t, std::int32_t, std::int16_t, std::int8_t, std::uint64_t,
                    std::uint32_t, std::uint16_t, std::uint8_t>(node);
}
template <typename F>
RunFn make_signed(OpNode& node) {
  return make_unary<F, float, double, std::int64_t, std::int32_t, std::int16_t, std::int8_t>(node);
}

// Activations with attributes: `f` takes (x) in float or double.
template <typename F>
RunFn with_parameters(OpNode& node, F f) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return [f](OpRun& run) {
    visit_floats(run.input(0).dtype(),
                 [&]<typename T>() { apply<T>(run, [&](T x) { return static_cast<T>(f(x)); }); });
  };
}

struct Abs {
  template <typename T>
  T operator()(T x) const {
    if constexpr (std::is_unsigned_v<T>) return x;
    if constexpr (std::is_floating_point_v<T>) return std::abs(x);
    // Two's complement: the smallest value stays itself.
    else
      return x < 0 ? static_cast<T>(-static_cast<std::make_unsigned_t<T>>(x)) : x;
  }
};
struct Neg {
  template <typename T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>)
      return -x;
    else
      return static_cast<T>(-static_cast<std::make_unsigned_t<T>>(x));
  }
};
struct Sign {
  template <typename T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(x)) return x;
    }
    return static_cast<T>((x > T{0}) - (x < T{0}));
  }
};
struct Relu {
  template <typename T>
  T operator()(T x) const {
    return x < T{0} ? T{0} : x;
  }  // NaN stays
};
struct BitwiseNot {
  template <typename T>
  T operator()(T x) const {
    return static_cast<T>(~x);
  }
};

// Functions of <cmath> as function objects.
#define BANTAM_FUNCTION(Name, expression) \
  struct Name {                           \
    template <typename T>                 \
    T operator()(T x) const {             \
      return (expression);                \
    }                                     \
  };
BANTAM_FUNCTION(Acos, std::acos(x))
BANTAM_FUNCTION(Acosh, std::acosh(x))
BANTAM_FUNCTION(Asin, std::asin(x))
BANTAM_FUNCTION(Asinh, std::asinh(x))
BANTAM_FUNCTION(Atan, std::atan(x))
BANTAM_FUNCTION(Atanh, std::atanh(x))
BANTAM_FUNCTION(Ceil, std::ceil(x))
BANTAM_FUNCTION(Cos, std::cos(x))
BANTAM_FUNCTION(Cosh, std::cosh(x))
BANTAM_FUNCTION(Erf, std::erf(x))
BANTAM_FUNCTION(Exp, std::exp(x))
BANTAM_FUNCTION(Floor, std::floor(x))
BANTAM_FUNCTION(Log, std::log(x))
BANTAM_FUNCTION(Reciprocal, T{1} / x)
BANTAM_FUNCTION(Round, std::nearbyint(x))  // ties to even
BANTAM_FUNCTION(Sigmoid, T{1} / (T{1} + std::exp(-x)))
BANTAM_FUNCTION(Sin, std::sin(x))
BANTAM_FUNCTION(Sinh, std::sinh(x))
BANTAM_FUNCTION(Softplus, std::max(x, T{0}) + std::log1p(std::exp(-std::abs(x))))
BANTAM_FUNCTION(Softsign, x / (T{1} + std::abs(x)))
BANTAM_FUNCTION(Sqrt, std::sqrt(x))
BANTAM_FUNCTION(Tan, std::tan(x))
BANTAM_FUNCTION(Tanh, std::tanh(x))
BANTAM_FUNCTION(HardSwish, x* std::clamp(x / T{6} + T{0.5}, T{0}, T{1}))
BANTAM_FUNCTION(Mish, x* std::tanh(std::max(x, T{0}) + std::log1p(std::exp(-std::abs(x)))))
BANTAM_FUNCTION(GeluErf, T{0.5} * x * (T{1} + std::erf(x * T{std::numbers::sqrt2 / 2})))
BANTAM_FUNCTION(GeluTanh,
                T{0.5} * x * (T{1} + std::tanh(T{0.7978845608028654} * (x + T{0.044715} * x * x * x))))
#undef BANTAM_FUNCTION

RunFn make_gelu(OpNode& node) {
  const std::string approximate = node.text("approximate", "none");
  if (approximate == "none") return make_float<GeluErf>(node);
  if (approximate == "tanh") return make_float<GeluTanh>(node);
  fail("attribute approximate is \"{}\" where none or tanh was expected", approximate);
}
RunFn make_quick_gelu(OpNode& node) {
  const float alpha = node.real("alpha", 1.702f);
  return with_parameters(node, [alpha](auto x) { return x / (1 + std::exp(-alpha * x)); });
}
RunFn make_swish(OpNode& node) {
  const float alpha = node.real("alpha", 1.0f);
  return with_parameters(node, [alpha](auto x) { return x / (1 + std::exp(-alpha * x)); });
}
RunFn make_leaky_relu(OpNode& node) {
  const float alpha = node.real("alpha", 0.01f);
  return with_parameters(node, [alpha](auto x) { return x < 0 ? alpha * x : x; });
}
RunFn make_elu(OpNode& node) {
  const float alpha = node.real("alpha", 1.0f);
  return with_parameters(node, [alpha](auto x) { return x < 0 ? alpha * std::expm1(x) : x; });
}
RunFn make_celu(OpNode& node) {
  const float alpha = node.real("alpha", 1.0f);
  return with_parameters(node, [alpha](auto x) { return x < 0 ? alpha * std::expm1(x / alpha) : x; });
}
RunFn make_selu(OpNode& node) {
  const float alpha = node.real("alpha", 1.67326319217681884765625f);
  const float gamma = node.real("gamma", 1.05070102214813232421875f);
  return with_parameters(node, [=](auto x) { return gamma * (x <= 0 ? alpha * std::expm1(x) : x); });
}
RunFn make_hard_sigmoid(OpNode& node) {
  const float alpha = node.real("alpha", 0.2f);
  const float beta = node.real("beta", 0.5f);
  return with_parameters(node, [=](auto x) { return std::clamp<decltype(x)>(alpha * x + beta, 0, 1); });
}
RunFn make_thresholded_relu(OpNode& node) {
  const float alpha = node.real("alpha", 1.0f);
  return with_parameters(node, [alpha](auto x) { return x > alpha ? x : 0; });
}
RunFn make_shrink(OpNode& node) {
  const float bias = node.real("bias", 0.0f);
  const float lambd = node.real("lambd", 0.5f);
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return [=](OpRun& run) {
    visit_numbers(run.input(0).dtype(), [&]<typename T>() {
      apply<T>(run, [&](T x) {
        const auto value = static_cast<double>(x);
        return static_cast<T>(value < -lambd ? value + bias : value > lambd ? value - bias : 0.0);
      });
    });
  };
}

}  // namespace

std::span<const OpDef> unary_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Abs", 6, make_number<Abs>},
      {"", "Acos", 7, make_float<Acos>},
      {"", "Acosh", 9, make_float<Acosh>},
      {"", "Asin", 7, make_float<Asin>},
      {"", "Asinh", 9, make_float<Asinh>},
      {"", "Atan", 7, make_float<Atan>},
      {"", "Atanh", 9, make_float<Atanh>},
      {"", "BitwiseNot", 18,
       make_unary<BitwiseNot, std::int64_t, std::int32_t, std::int16_t, std::int8_t, std::uint64_t,
                  std::uint32_t, std::uint16_t, std::uint8_t>},
      {"", "Ceil", 6, make_float<Ceil>},
      {"", "Celu", 12, make_celu},
      {"", "Cos", 7, make_float<Cos>},
      {"", "Cosh", 9, make_float<Cosh>},
      {"", "Elu", 6, make_elu},
      {"", "Erf", 9, make_float<Erf>},
      {"", "Exp", 6, make_float<Exp>},
      {"", "Floor", 6, make_float<Floor>},
      {"", "Gelu", 20, make_gelu},
      {"", "HardSigmoid", 6, make_hard_sigmoid},
      {"", "HardSwish", 14, make_float<HardSwish>},
      {"", "LeakyRelu", 6, make_leaky_relu},
      {"", "Log", 6, make_float<Log>},
      {"", "Mish", 18, make_float<Mish>},
      {"", "Neg", 6, make_signed<Neg>},
      {"", "Reciprocal", 6, make_float<Reciprocal>},
      {"", "Relu", 6, make_signed<Relu>},
      {"", "Round", 11, make_float<Round>},
      {"", "Selu", 6, make_selu},
      {"", "Shrink", 9, make_shrink},
      {"", "Sigmoid", 6, make_float<Sigmoid>},
      {"", "Sign", 9, make_number<Sign>},
      {"", "Sin", 7, make_float<Sin>},
      {"", "Sinh", 9, make_float<Sinh>},
      {"", "Softplus", 1, make_float<Softplus>},
      {"", "Softsign", 1, make_float<Softsign>},
      {"", "Sqrt", 6, make_float<Sqrt>},
      {"", "Swish", 24, make_swish},
      {"", "Tan", 7, make_float<Tan>},
      {"", "Tanh", 6, make_float<Tanh>},
      {"", "ThresholdedRelu", 10, make_thresholded_relu},
      {"com.microsoft", "QuickGelu", 1, make_quick_gelu},
  };
  return kOps;
}

}  // namespace bantam
