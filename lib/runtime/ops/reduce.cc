// Reductions over axes.
#include <cmath>
#include <limits>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/transpose.h"

namespace bantam {
namespace {

// How one row becomes one number. Floats are summed in double: one rounding at the end.
template <typename T>
struct Wrapping {  // sums and products of integers wrap around, without signed overflow
  using Type = std::make_unsigned_t<std::conditional_t<(sizeof(T) < 4), std::int32_t, T>>;
};
template <>
struct Wrapping<float> {
  using Type = double;
};
template <>
struct Wrapping<double> {
  using Type = double;
};
template <typename T>
using Sum = typename Wrapping<T>::Type;

template <typename T, typename F>
Sum<T> sum_of(const T* row, std::int64_t count, F f) {
  Sum<T> total = 0;
  for (std::int64_t i = 0; i < count; ++i) total += f(static_cast<Sum<T>>(row[i]));
  return total;
}

struct ReduceSum {
  template <typename T>
  static T row(const T* x, std::int64_t n) {
    return static_cast<T>(sum_of(x, n, [](auto v) { return v; }));
  }
};
struct ReduceMean {
  template <typename T>
  static T row(const T* x, std::int64_t n) {
    if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(sum_of(x, n, [](auto v) { return v; }) / static_cast<double>(n));
    } else {
      if (n == 0) fail("the mean of no integers");
      return static_cast<T>(static_cast<std::make_signed_t<Sum<T>>>(sum_of(x, n, [](auto v) { return v; })) /
                            static_cast<std::make_signed_t<Sum<T>>>(n));
    }
  }
};
struct ReduceSumSquare {
  template <typename T>
  static T row(const T* x, std::int64_t n) {
    return static_cast<T>(sum_of(x, n, [](auto v) { return v * v; }));
  }
};
struct ReduceL1 {
  template <typename T>
  static T row(const T* x, std::int64_t n) {
    Sum<T> total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      if constexpr (std::is_unsigned_v<T>) {
        total += x[i];
      } else {
        total += x[i] < T{0} ? Sum<T>{0} - static_cast<Sum<T>>(x[i]) : static_cast<Sum<T>>(x[i]);
      }
    }
    return static_cast<T>(total);
  }
};
struct ReduceL2 {
  template <typename T>
  static T row(const T* x, std::int64_t n) {
    return static_cast<T>(std::sqrt(static_cast<double>(sum_of(x, n, [](auto v) { return v * v; }))));
  }
};
struct ReduceLogSum {
  template <typename T>
  static T row(const T* x, std::int64_t n) {
    return static_cast<T>(std::log(static_cast<double>(sum_of(x, n, [](auto v) { return v; }))));
  }
};
struct ReduceLogSumExp {
  template <typename T>
  static T row(const T* x, std::int64_t n) {
    double high = -std::numeric_limits<double>::infinity();
    for (std::int64_t i = 0; i < n; ++i) high = std::max(high, static_cast<double>(x[i]));
    if (std::isinf(high)) return static_cast<T>(high);
    double total = 0;
    for (std::int64_t i = 0; i < n; ++i) total += std::exp(static_cast<double>(x[i]) - high);
    return static_cast<T>(high + std::log(total));
  }
};
struct ReduceProd {
  template <typename T>
  static T row(const T* x, std::int64_t n) {
    Sum<T> total = 1;
    for (std::int64_t i = 0; i < n; ++i) total *= static_cast<Sum<T>>(x[i]);
    return static_cast<T>(total);
  }
};
// Of nothing: the value that every other one beats. NaN wins, as in numpy.
struct ReduceMax {
  template <typename T>
  static T row(const T* x, std::int64_t n) {
    using Limits = std::numeric_limits<T>;
    T best = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    for (std::int64_t i = 0; i < n; ++i) {
      if (x[i] != x[i]) return x[i];
      best = std::max(best, x[i]);
    }
    return best;
  }
};
struct ReduceMin {
  template <typename T>
  static T row(const T* x, std::int64_t n) {
    using Limits = std::numeric_limits<T>;
    T best = Limits::has_infinity ? Limits::infinity() : Limits::max();
    for (std::int64_t i = 0; i < n; ++i) {
      if (x[i] != x[i]) return x[i];
      best = std::min(best, x[i]);
    }
    return best;
  }
};

struct Settings {
  bool keep_dims = true;
  bool empty_is_none = false;  // no axes: reduce nothing instead of everything
};

template <typename F>
void reduce(OpRun& run, const std::vector<std::int64_t>& axes, const Settings& settings) {
  const Tensor& x = run.input(0);
  const bool all = axes.empty() && !settings.empty_is_none;
  std::vector<bool> reduced(x.shape().size(), all);
  for (const std::int64_t axis : axes) reduced[static_cast<std::size_t>(checked_axis(axis, x.rank()))] = true;
  Shape shape;
  std::vector<std::int64_t> order;
  std::vector<std::int64_t> inner;
  std::int64_t width = 1;
  for (std::size_t d = 0; d < reduced.size(); ++d) {
    if (!reduced[d]) order.push_back(static_cast<std::int64_t>(d));
    if (reduced[d]) inner.push_back(static_cast<std::int64_t>(d));
    if (reduced[d]) width *= x.shape()[d];
    if (!reduced[d] || settings.keep_dims) shape.push_back(reduced[d] ? 1 : x.shape()[d]);
  }
  order.insert(order.end(), inner.begin(), inner.end());
  const Tensor rows = transposed(x, order, run.memory(), run.pool());
  Tensor& y = run.output(0, x.dtype(), std::move(shape));
  const auto reduce_rows = [&]<typename T>() {
    const T* in = rows.data<T>().data();
    T* out = y.mutable_data<T>().data();
    parallel_pieces(run.pool(), y.count(), kElementGrain / std::max<std::int64_t>(width, 1),
                    [&](std::int64_t begin, std::int64_t end) {
                      for (std::int64_t i = begin; i < end; ++i) out[i] = F::row(in + i * width, width);
                    });
  };
  if (x.dtype() == DType::kBool) return reduce_rows.template operator()<std::uint8_t>();
  visit_numbers(x.dtype(), reduce_rows);
}

template <typename F>
RunFn make_attribute_axes(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const Settings settings = {node.flag("keepdims", true), false};
  const auto axes = node.integers("axes").value_or(std::vector<std::int64_t>{});
  return [=](OpRun& run) { reduce<F>(run, axes, settings); };
}

template <typename F>
RunFn make_input_axes(OpNode& node) {
  node.expect_inputs(1, 2);
  node.expect_outputs(1, 1);
  const Settings settings = {node.flag("keepdims", true), node.flag("noop_with_empty_axes", false)};
  return [=](OpRun& run) {
    reduce<F>(run, run.has_input(1) ? to_integers(run.input(1)) : std::vector<std::int64_t>{}, settings);
  };
}

}  // namespace

std::span<const OpDef> reduce_ops() {
  static constexpr OpDef kOps[] = {
      {"", "ReduceL1", 1, make_attribute_axes<ReduceL1>},
      {"", "ReduceL1", 18, make_input_axes<ReduceL1>},
      {"", "ReduceL2", 1, make_attribute_axes<ReduceL2>},
      {"", "ReduceL2", 18, make_input_axes<ReduceL2>},
      {"", "ReduceLogSum", 1, make_attribute_axes<ReduceLogSum>},
      {"", "ReduceLogSum", 18, make_input_axes<ReduceLogSum>},
      {"", "ReduceLogSumExp", 1, make_attribute_axes<ReduceLogSumExp>},
      {"", "ReduceLogSumExp", 18, make_input_axes<ReduceLogSumExp>},
      {"", "ReduceMax", 1, make_attribute_axes<ReduceMax>},
      {"", "ReduceMax", 18, make_input_axes<ReduceMax>},
      {"", "ReduceMean", 1, make_attribute_axes<ReduceMean>},
      {"", "ReduceMean", 18, make_input_axes<ReduceMean>},
      {"", "ReduceMin", 1, make_attribute_axes<ReduceMin>},
      {"", "ReduceMin", 18, make_input_axes<ReduceMin>},
      {"", "ReduceProd", 1, make_attribute_axes<ReduceProd>},
      {"", "ReduceProd", 18, make_input_axes<ReduceProd>},
      {"", "ReduceSum", 1, make_attribute_axes<ReduceSum>},
      {"", "ReduceSum", 13, make_input_axes<ReduceSum>},
      {"", "ReduceSumSquare", 1, make_attribute_axes<ReduceSumSquare>},
      {"", "ReduceSumSquare", 18, make_input_axes<ReduceSumSquare>},
  };
  return kOps;
}

}  // namespace bantam
