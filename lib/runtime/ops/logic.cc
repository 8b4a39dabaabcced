// Comparisons, logical ops and tests; their results are bool.
#include <cmath>

#include "runtime/ops/broadcast.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

template <typename T, typename F>
void compare(OpRun& run, F f) {
  const Tensor& a = run.input(0);
  const Tensor& b = run.input(1);
  const Shape shape = broadcast_shape(a.shape(), b.shape());
  const T* left = a.data<T>().data();
  const T* right = b.data<T>().data();
  std::uint8_t* out = run.output(0, DType::kBool, shape).mutable_data<std::uint8_t>().data();
  const Shape* shapes[] = {&a.shape(), &b.shape()};
  const BroadcastWalk walk(shapes, shape);
  walk.run(run.pool(), [&](std::int64_t at, const auto& offsets, std::int64_t count) {
    const T* l = left + offsets[0];
    const T* r = right + offsets[1];
    const std::int64_t l_step = walk.inner_stride(0);
    const std::int64_t r_step = walk.inner_stride(1);
    for (std::int64_t i = 0; i < count; ++i) out[at + i] = f(l[i * l_step], r[i * r_step]) ? 1 : 0;
  });
}

template <typename F>
RunFn make_comparison(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  return [](OpRun& run) { visit_numbers(run.input(0).dtype(), [&]<typename T>() { compare<T>(run, F{}); }); };
}

void equal_strings(OpRun& run) {
  const auto a = run.input(0).strings();
  const auto b = run.input(1).strings();
  const Shape shape = broadcast_shape(run.input(0).shape(), run.input(1).shape());
  const Shape* shapes[] = {&run.input(0).shape(), &run.input(1).shape()};
  const BroadcastWalk walk(shapes, shape);
  std::uint8_t* out = run.output(0, DType::kBool, shape).mutable_data<std::uint8_t>().data();
  walk.run(run.pool(), [&](std::int64_t at, const auto& offsets, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const auto& left = a[static_cast<std::size_t>(offsets[0] + i * walk.inner_stride(0))];
      const auto& right = b[static_cast<std::size_t>(offsets[1] + i * walk.inner_stride(1))];
      out[at + i] = left == right ? 1 : 0;
    }
  });
}

RunFn make_equal(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    const Tensor& a = run.input(0);
    if (a.dtype() == DType::kString) return equal_strings(run);
    if (a.dtype() == DType::kBool) {
      return compare<std::uint8_t>(run, [](std::uint8_t x, std::uint8_t y) { return (x != 0) == (y != 0); });
    }
    visit_numbers(a.dtype(), [&]<typename T>() { compare<T>(run, std::equal_to<T>{}); });
  };
}

struct Less {
  template <typename T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};
struct LessOrEqual {
  template <typename T>
  bool operator()(T a, T b) const {
    return a <= b;
  }
};
struct Greater {
  template <typename T>
  bool operator()(T a, T b) const {
    return a > b;
  }
};
struct GreaterOrEqual {
  template <typename T>
  bool operator()(T a, T b) const {
    return a >= b;
  }
};
struct And {
  bool operator()(std::uint8_t a, std::uint8_t b) const { return a != 0 && b != 0; }
};
struct Or {
  bool operator()(std::uint8_t a, std::uint8_t b) const { return a != 0 || b != 0; }
};
struct Xor {
  bool operator()(std::uint8_t a, std::uint8_t b) const { return (a != 0) != (b != 0); }
};

void expect_bool(const Tensor& tensor) {
  if (tensor.dtype() != DType::kBool)
    fail("a tensor of type {} where bool was expected", name(tensor.dtype()));
}

template <typename F>
RunFn make_logical(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    expect_bool(run.input(0));
    expect_bool(run.input(1));
    compare<std::uint8_t>(run, F{});
  };
}

template <typename T, typename F>
void test_elements(OpRun& run, F f) {
  const Tensor& x = run.input(0);
  const T* in = x.data<T>().data();
  std::uint8_t* out = run.output(0, DType::kBool, x.shape()).mutable_data<std::uint8_t>().data();
  for (std::int64_t i = 0; i < x.count(); ++i) out[i] = f(in[i]) ? 1 : 0;
}

RunFn make_not(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    expect_bool(run.input(0));
    test_elements<std::uint8_t>(run, [](std::uint8_t x) { return x == 0; });
  };
}

RunFn make_is_nan(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    visit_floats(run.input(0).dtype(),
                 [&]<typename T>() { test_elements<T>(run, [](T x) { return std::isnan(x); }); });
  };
}

RunFn make_is_inf(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const bool negative = node.flag("detect_negative", true);
  const bool positive = node.flag("detect_positive", true);
  return [=](OpRun& run) {
    visit_floats(run.input(0).dtype(), [&]<typename T>() {
      test_elements<T>(run, [&](T x) { return std::isinf(x) && (x > 0 ? positive : negative); });
    });
  };
}

}  // namespace

std::span<const OpDef> logic_ops() {
  static constexpr OpDef kOps[] = {
      {"", "And", 7, make_logical<And>},
      {"", "Equal", 7, make_equal},
      {"", "Greater", 7, make_comparison<Greater>},
      {"", "GreaterOrEqual", 12, make_comparison<GreaterOrEqual>},
      {"", "IsInf", 10, make_is_inf},
      {"", "IsNaN", 9, make_is_nan},
      {"", "Less", 7, make_comparison<Less>},
      {"", "LessOrEqual", 12, make_comparison<LessOrEqual>},
      {"", "Not", 1, make_not},
      {"", "Or", 7, make_logical<Or>},
      {"", "Xor", 7, make_logical<Xor>},
  };
  return kOps;
}

}  // namespace bantam
