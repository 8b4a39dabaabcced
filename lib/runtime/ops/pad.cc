// Pad in its modes.
#include <cmath>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

enum class Mode { kConstant, kReflect, kEdge, kWrap };

Mode mode_of(OpNode& node) {
  const std::string name = node.text("mode", "constant");
  if (name == "constant") return Mode::kConstant;
  if (name == "reflect") return Mode::kReflect;
  if (name == "edge") return Mode::kEdge;
  if (name == "wrap" && node.opset() >= 19) return Mode::kWrap;
  fail("attribute mode is \"{}\", which is not known", name);
}

// Which input index output index `at` (counted from the first kept element) shows; -1: the constant.
std::int64_t source_of(std::int64_t at, std::int64_t dim, Mode mode) {
  if (at >= 0 && at < dim) return at;
  switch (mode) {
    case Mode::kConstant:
      return -1;
    case Mode::kEdge:
      return at < 0 ? 0 : dim - 1;
    case Mode::kWrap:
      return ((at % dim) + dim) % dim;
    case Mode::kReflect: {
      if (dim == 1) return 0;
      const std::int64_t period = 2 * (dim - 1);
      const std::int64_t folded = ((at % period) + period) % period;
      return folded < dim ? folded : period - folded;
    }
  }
  return -1;
}

// For every axis, the source index of each output index.
using SourceTable = std::vector<std::vector<std::int64_t>>;

template <typename T>
void fill(const T* in, const Shape& from, const Shape& to, const SourceTable& sources, std::size_t axis,
          T value, bool outside, std::int64_t offset, T*& out) {
  const std::int64_t count = to[axis];
  const std::int64_t stride = product(from, static_cast<int>(axis) + 1, static_cast<int>(from.size()));
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t source = sources[axis][static_cast<std::size_t>(i)];
    const bool beyond = outside || source < 0;
    const std::int64_t next = beyond ? 0 : offset + source * stride;
    if (axis + 1 == to.size()) {
      *out++ = beyond ? value : in[next];
    } else {
      fill(in, from, to, sources, axis + 1, value, beyond, next, out);
    }
  }
}

void pad(OpRun& run, Mode mode, const std::vector<std::int64_t>& pads, const std::vector<std::int64_t>& axes,
         const Tensor* value) {
  const Tensor& x = run.input(0);
  if (pads.size() != axes.size() * 2) fail("{} pads for {} axes", pads.size(), axes.size());
  Shape shape = x.shape();
  std::vector<std::int64_t> before(shape.size(), 0);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<std::size_t>(checked_axis(axes[i], x.rank()));
    before[axis] = pads[i];
    std::int64_t dim = 0;
    const bool overflow = __builtin_add_overflow(shape[axis], pads[i], &dim) ||
                          __builtin_add_overflow(dim, pads[i + axes.size()], &dim);
    if (overflow || dim < 0 || std::abs(pads[i]) > INT64_MAX / 4)
      fail("pads {} of {} are not possible", to_string(pads), to_string(x.shape()));
    if (mode != Mode::kConstant && shape[axis] == 0 && dim > 0) fail("an empty axis cannot be repeated");
    shape[axis] = dim;
  }
  Tensor& y = run.output(0, x.dtype(), shape);  // the size is checked before tables are made of it
  if (y.count() == 0) return;
  SourceTable sources(shape.size());
  for (std::size_t d = 0; d < shape.size(); ++d) {
    for (std::int64_t i = 0; i < shape[d]; ++i)
      sources[d].push_back(source_of(i - before[d], x.shape()[d], mode));
  }
  if (value != nullptr && (value->dtype() != x.dtype() || value->count() != 1))
    fail("the constant is no {} number", name(x.dtype()));
  visit_widths(x.dtype(), [&]<typename T>() {
    T* out = mutable_units<T>(y);
    const T constant = value != nullptr ? *units<T>(*value) : T{0};
    if (shape.empty()) {
      *out = *units<T>(x);
    } else {
      fill(units<T>(x), x.shape(), shape, sources, 0, constant, false, 0, out);
    }
  });
}

std::vector<std::int64_t> all_axes(const Tensor& x) {
  std::vector<std::int64_t> axes;
  for (int d = 0; d < x.rank(); ++d) axes.push_back(d);
  return axes;
}

RunFn make_pad_2(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const Mode mode = mode_of(node);
  const auto pads = node.integers("pads");
  if (!pads) fail("attribute pads is missing");
  const float value = node.real("value", 0.0f);
  return [=, pads = *pads](OpRun& run) {
    const Tensor& x = run.input(0);
    Tensor constant;
    visit_floats(x.dtype(), [&]<typename T>() {
      const T typed = static_cast<T>(value);
      constant = Tensor::of<T>({}, std::span(&typed, 1));
    });
    pad(run, mode, pads, all_axes(x), &constant);
  };
}

RunFn make_pad(OpNode& node) {
  node.expect_inputs(2, node.opset() >= 18 ? 4 : 3);
  node.expect_outputs(1, 1);
  const Mode mode = mode_of(node);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    pad(run, mode, to_integers(run.input(1)), run.has_input(3) ? to_integers(run.input(3)) : all_axes(x),
        run.optional_input(2));
  };
}

}  // namespace

std::span<const OpDef> pad_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Pad", 2, make_pad_2},
      {"", "Pad", 11, make_pad},
  };
  return kOps;
}

}  // namespace bantam
