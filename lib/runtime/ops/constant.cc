// Ops that make values of nothing or of a shape: constants, ranges, shapes.
#include <cmath>
#include <cstring>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

Tensor constant_value(OpNode& node) {
  if (auto tensor = node.tensor("value")) return *tensor;
  if (node.opset() < 12) fail("attribute value is missing");
  if (node.has_attribute("value_float")) {
    const float value = node.real("value_float");
    return Tensor::of<float>({}, std::span(&value, 1));
  }
  if (node.has_attribute("value_int")) {
    const std::int64_t value = node.integer("value_int");
    return Tensor::of<std::int64_t>({}, std::span(&value, 1));
  }
  if (node.has_attribute("value_string")) return Tensor::of_strings({}, {node.text("value_string")});
  if (const auto values = node.reals("value_floats"))
    return Tensor::of<float>({std::ssize(*values)}, *values);
  if (const auto values = node.integers("value_ints"))
    return Tensor::of<std::int64_t>({std::ssize(*values)}, *values);
  if (auto values = node.texts("value_strings")) {
    const std::int64_t count = std::ssize(*values);
    return Tensor::of_strings({count}, std::move(*values));
  }
  fail("no attribute with a value that is supported");
}

RunFn make_constant(OpNode& node) {
  node.expect_inputs(0, 0);
  node.expect_outputs(1, 1);
  return [value = constant_value(node)](OpRun& run) { run.set_output(0, value); };
}

RunFn make_constant_of_shape(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const Tensor value = node.tensor("value").value_or(Tensor(DType::kF32, {1}));
  if (value.count() != 1) fail("attribute value has {} elements where 1 was expected", value.count());
  return [value](OpRun& run) {
    const std::vector<std::int64_t> dims = to_integers(run.input(0));
    Tensor& y = run.output(0, value.dtype(), dims);
    visit_widths(value.dtype(),
                 [&]<typename T>() { std::fill_n(mutable_units<T>(y), y.count(), *units<T>(value)); });
  };
}

RunFn make_range(OpNode& node) {
  node.expect_inputs(3, 3);
  node.expect_outputs(1, 1);
  // How 16-bit floats are added up; here always in float32.
  if (node.opset() >= 27 && node.integer("stash_type", 1) != 1)
    fail("stash_type other than 1 is not supported");
  return [](OpRun& run) {
    visit_types<float, double, std::int64_t, std::int32_t, std::int16_t>(
        run.input(0).dtype(), [&]<typename T>() {
          for (int i = 0; i < 3; ++i) {
            if (run.input(i).data<T>().size() != 1) fail("input {} is not one number", i);
          }
          const T start = run.input(0).data<T>()[0];
          const T limit = run.input(1).data<T>()[0];
          const T delta = run.input(2).data<T>()[0];
          const double steps = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) /
                                         static_cast<double>(delta));
          if (delta == T{0} || !(steps < 0x1p53)) fail("no range from {} to {} by {}", start, limit, delta);
          const std::int64_t count = steps > 0 ? static_cast<std::int64_t>(steps) : 0;
          T* out = run.output(0, dtype_of<T>(), {count}).template mutable_data<T>().data();
          T value = start;
          for (std::int64_t i = 0; i < count; ++i) {
            out[i] = value;
            if constexpr (std::is_floating_point_v<T>) {
              value = start + static_cast<T>(i + 1) * delta;
            } else if (i + 1 < count) {
              value = static_cast<T>(value + delta);
            }
          }
        });
  };
}

RunFn make_shape(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const std::int64_t start = node.opset() >= 15 ? node.integer("start", 0) : 0;
  const std::int64_t end = node.opset() >= 15 ? node.integer("end", INT64_MAX) : INT64_MAX;
  return [=](OpRun& run) {
    const Shape& shape = run.input(0).shape();
    const std::int64_t rank = std::ssize(shape);
    const auto clamp = [rank](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank);
    };
    const std::int64_t from = clamp(start);
    const std::int64_t count = std::max<std::int64_t>(clamp(end) - from, 0);
    auto out = run.output(0, DType::kI64, {count}).mutable_data<std::int64_t>();
    std::copy_n(shape.begin() + from, count, out.begin());
  };
}

RunFn make_size(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    run.output(0, DType::kI64, {}).mutable_data<std::int64_t>()[0] = run.input(0).count();
  };
}

RunFn make_eye_like(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const std::int64_t shift = node.integer("k", 0);
  const std::int64_t wanted = node.integer("dtype", 0);
  const auto dtype = dtype_from_onnx(static_cast<int>(wanted));
  if (!dtype) fail("attribute dtype is {}, which is not supported", wanted);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    expect_rank(x, 2, "the input");
    Tensor& y = run.output(0, *dtype == DType::kUndefined ? x.dtype() : *dtype, x.shape());
    std::memset(y.mutable_bytes().data(), 0, y.bytes().size());
    const auto fill = [&]<typename T>() {
      auto out = y.mutable_data<T>();
      for (std::int64_t r = 0; r < x.dim(0); ++r) {
        std::int64_t c = 0;
        if (__builtin_add_overflow(r, shift, &c) || c < 0 || c >= x.dim(1)) continue;
        out[static_cast<std::size_t>(r * x.dim(1) + c)] = T{1};
      }
    };
    if (y.dtype() == DType::kBool) return fill.operator()<std::uint8_t>();
    visit_numbers(y.dtype(), fill);
  };
}

}  // namespace

std::span<const OpDef> constant_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Constant", 1, make_constant, Half::kAsIs},
      {"", "ConstantOfShape", 9, make_constant_of_shape, Half::kAsIs},
      {"", "EyeLike", 9, make_eye_like, Half::kAsIs},
      {"", "Range", 11, make_range},
      {"", "Shape", 1, make_shape, Half::kAsIs},
      {"", "Size", 1, make_size, Half::kAsIs},
  };
  return kOps;
}

}  // namespace bantam
