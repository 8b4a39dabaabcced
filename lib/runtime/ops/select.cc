// Ops that look for elements: ArgMax, ArgMin, TopK, NonZero, OneHot, Compress.
#include <cmath>
#include <cstring>
#include <numeric>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

// A tensor seen as [outer, dim, inner] around one axis.
struct AxisView {
  std::int64_t outer, dim, inner;
};
AxisView view_of(const Shape& shape, int axis) {
  return {product(shape, 0, axis), shape[static_cast<std::size_t>(axis)],
          product(shape, axis + 1, static_cast<int>(shape.size()))};
}

template <typename Better>
RunFn make_arg(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const std::int64_t wanted = node.integer("axis", 0);
  const bool keep = node.flag("keepdims", true);
  const bool last = node.opset() >= 12 && node.flag("select_last_index", false);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const int axis = checked_axis(wanted, x.rank());
    const AxisView view = view_of(x.shape(), axis);
    if (view.dim == 0) fail("an axis of 0 has no largest or smallest element");
    Shape shape = x.shape();
    if (keep) shape[static_cast<std::size_t>(axis)] = 1;
    if (!keep) shape.erase(shape.begin() + axis);
    std::int64_t* out = run.output(0, DType::kI64, std::move(shape)).mutable_data<std::int64_t>().data();
    visit_numbers(x.dtype(), [&]<typename T>() {
      const T* in = x.data<T>().data();
      for (std::int64_t o = 0; o < view.outer; ++o) {
        for (std::int64_t i = 0; i < view.inner; ++i) {
          const T* line = in + o * view.dim * view.inner + i;
          std::int64_t best = 0;
          for (std::int64_t d = 1; d < view.dim; ++d) {
            const T value = line[d * view.inner];
            const T known = line[best * view.inner];
            if (Better{}(value, known) || (last && value == known)) best = d;
          }
          out[o * view.inner + i] = best;
        }
      }
    });
  };
}
struct Larger {
  template <typename T>
  bool operator()(T a, T b) const {
    return a > b;
  }
};
struct Smaller {
  template <typename T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};

void top_k(OpRun& run, std::int64_t k, std::int64_t wanted_axis, bool largest, bool sorted) {
  const Tensor& x = run.input(0);
  const int axis = checked_axis(wanted_axis, x.rank());
  const AxisView view = view_of(x.shape(), axis);
  if (k < 0 || k > view.dim) fail("the first {} of an axis of {}", k, view.dim);
  Shape shape = x.shape();
  shape[static_cast<std::size_t>(axis)] = k;
  Tensor& values = run.output(0, x.dtype(), shape);
  std::int64_t* indices = run.output(1, DType::kI64, shape).mutable_data<std::int64_t>().data();
  visit_numbers(x.dtype(), [&]<typename T>() {
    const T* in = x.data<T>().data();
    T* out = values.mutable_data<T>().data();
    std::vector<std::int64_t> order(static_cast<std::size_t>(view.dim));
    for (std::int64_t o = 0; o < view.outer; ++o) {
      for (std::int64_t i = 0; i < view.inner; ++i) {
        const T* line = in + o * view.dim * view.inner + i;
        std::iota(order.begin(), order.end(), 0);
        // Equal values keep the order of their indices; NaN counts as larger than all, so that the order is
        // total.
        const auto before = [&](std::int64_t a, std::int64_t b) {
          const T left = line[a * view.inner];
          const T right = line[b * view.inner];
          const bool left_nan = left != left;
          const bool right_nan = right != right;
          if (left_nan != right_nan) return largest ? left_nan : right_nan;
          if (!left_nan && left != right) return largest ? left > right : left < right;
          return a < b;
        };
        std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
        if (!sorted) std::sort(order.begin(), order.begin() + k);
        for (std::int64_t j = 0; j < k; ++j) {
          const std::int64_t to = (o * k + j) * view.inner + i;
          indices[to] = order[static_cast<std::size_t>(j)];
          out[to] = line[indices[to] * view.inner];
        }
      }
    }
  });
}

RunFn make_top_k_1(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(2, 2);
  const std::int64_t axis = node.integer("axis", -1);
  const std::int64_t k = node.integer("k");
  return [=](OpRun& run) { top_k(run, k, axis, true, true); };
}
RunFn make_top_k(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(2, 2);
  const std::int64_t axis = node.integer("axis", -1);
  const bool largest = node.opset() < 11 || node.flag("largest", true);
  const bool sorted = node.opset() < 11 || node.flag("sorted", true);
  return [=](OpRun& run) { top_k(run, to_integer(run.input(1)), axis, largest, sorted); };
}

RunFn make_non_zero(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    const Tensor& x = run.input(0);
    std::vector<std::int64_t> found;
    const auto collect = [&]<typename T>() {
      const auto values = x.data<T>();
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (values[i] != T{0}) found.push_back(static_cast<std::int64_t>(i));
      }
    };
    if (x.dtype() == DType::kBool) {
      collect.operator()<std::uint8_t>();
    } else {
      visit_numbers(x.dtype(), collect);
    }
    const std::int64_t count = std::ssize(found);
    std::int64_t* out = run.output(0, DType::kI64, {x.rank(), count}).mutable_data<std::int64_t>().data();
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t rest = found[static_cast<std::size_t>(i)];
      for (int d = x.rank() - 1; d >= 0; --d) {
        out[d * count + i] = rest % x.dim(d);
        rest /= x.dim(d);
      }
    }
  };
}

// Whole numbers of any numeric type.
std::vector<std::int64_t> whole_numbers(const Tensor& tensor) {
  std::vector<std::int64_t> values;
  visit_numbers(tensor.dtype(), [&]<typename T>() {
    for (const T value : tensor.data<T>()) {
      if constexpr (std::is_floating_point_v<T>) {
        if (!(std::abs(value) < T(0x1p62))) fail("{} is not an index", value);
      }
      values.push_back(static_cast<std::int64_t>(value));
    }
  });
  return values;
}

RunFn make_one_hot(OpNode& node) {
  node.expect_inputs(3, 3);
  node.expect_outputs(1, 1);
  const std::int64_t wanted = node.integer("axis", -1);
  return [=](OpRun& run) {
    const Tensor& indices = run.input(0);
    const Tensor& values = run.input(2);
    const auto depths = whole_numbers(run.input(1));
    if (depths.size() != 1 || depths[0] < 0 || values.count() != 2)
      fail("depth and values must be one and two numbers");
    const std::int64_t depth = depths[0];
    const int axis = checked_axis(wanted, indices.rank() + 1);
    Shape shape = indices.shape();
    shape.insert(shape.begin() + axis, depth);
    const std::int64_t inner = product(indices.shape(), axis, indices.rank());
    const std::vector<std::int64_t> at = whole_numbers(indices);
    Tensor& y = run.output(0, values.dtype(), std::move(shape));
    visit_widths(values.dtype(), [&]<typename T>() {
      const T* off_on = units<T>(values);
      T* out = mutable_units<T>(y);
      std::fill_n(out, y.count(), off_on[0]);
      for (std::int64_t i = 0; i < indices.count(); ++i) {
        const std::int64_t index = at[static_cast<std::size_t>(i)];
        if (index < -depth || index >= depth) continue;  // all off
        out[(i / inner * depth + (index < 0 ? index + depth : index)) * inner + i % inner] = off_on[1];
      }
    });
  };
}

RunFn make_compress(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  const bool flat = !node.has_attribute("axis");
  const std::int64_t wanted = node.integer("axis", 0);
  return [=](OpRun& run) {
    const Tensor x = flat ? run.input(0).reshaped({run.input(0).count()}) : run.input(0);
    const auto condition = run.input(1).data<std::uint8_t>();
    expect_rank(run.input(1), 1, "the condition");
    const int axis = checked_axis(wanted, x.rank());
    const AxisView view = view_of(x.shape(), axis);
    if (std::ssize(condition) > view.dim) fail("{} conditions for an axis of {}", condition.size(), view.dim);
    const std::int64_t kept =
        std::count_if(condition.begin(), condition.end(), [](std::uint8_t c) { return c != 0; });
    Shape shape = x.shape();
    shape[static_cast<std::size_t>(axis)] = kept;
    Tensor& y = run.output(0, x.dtype(), std::move(shape));
    visit_widths(x.dtype(), [&]<typename T>() {
      const T* in = units<T>(x);
      T* out = mutable_units<T>(y);
      for (std::int64_t o = 0; o < view.outer; ++o) {
        for (std::int64_t d = 0; d < std::ssize(condition); ++d) {
          if (condition[static_cast<std::size_t>(d)] == 0) continue;
          out = std::copy_n(in + (o * view.dim + d) * view.inner, view.inner, out);
        }
      }
    });
  };
}

}  // namespace

std::span<const OpDef> select_ops() {
  static constexpr OpDef kOps[] = {
      {"", "ArgMax", 1, make_arg<Larger>},
      {"", "ArgMin", 1, make_arg<Smaller>},
      {"", "Compress", 9, make_compress, Half::kAsIs},
      {"", "NonZero", 9, make_non_zero},
      {"", "OneHot", 9, make_one_hot},
      {"", "TopK", 1, make_top_k_1},
      {"", "TopK", 10, make_top_k},
  };
  return kOps;
}

}  // namespace bantam
