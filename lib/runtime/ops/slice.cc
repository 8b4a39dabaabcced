// Slice: every k-th element of some axes.
#include <cstring>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

struct AxisSlice {
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::int64_t count = 0;
};

// Clamps as ONNX and Python do: for a negative step the start may be the last element and the end before the
// first.
AxisSlice resolve(std::int64_t dim, std::int64_t start, std::int64_t end, std::int64_t step) {
  if (step == 0) fail("a step of 0");
  const auto wrap = [dim](std::int64_t at) {
    return at < 0 ? (at < -dim ? std::int64_t{-1} : at + dim) : at;
  };
  AxisSlice slice;
  slice.step = step;
  if (step > 0) {
    slice.start =
        std::clamp<std::int64_t>(start < 0 ? std::max<std::int64_t>(wrap(start), 0) : start, 0, dim);
    const std::int64_t stop =
        std::clamp<std::int64_t>(end < 0 ? std::max<std::int64_t>(wrap(end), 0) : end, 0, dim);
    // Without ceil_div's a + b - 1, which a huge step would overflow.
    slice.count = stop > slice.start ? (stop - slice.start - 1) / step + 1 : 0;
  } else {
    slice.start = std::min(wrap(start), dim - 1);
    const std::int64_t stop = std::min(wrap(end), dim - 1);
    slice.count =
        slice.start > stop ? (slice.start - stop - 1) / (step == INT64_MIN ? INT64_MAX : -step) + 1 : 0;
  }
  return slice;
}

template <typename T>
void copy_slices(const T* in, const Shape& shape, std::span<const AxisSlice> slices, std::size_t axis,
                 T*& out) {
  const AxisSlice& slice = slices[axis];
  const std::int64_t stride = product(shape, static_cast<int>(axis) + 1, static_cast<int>(shape.size()));
  if (axis + 1 == shape.size()) {
    if (slice.step == 1) {
      std::memcpy(out, in + slice.start, static_cast<std::size_t>(slice.count) * sizeof(T));
    } else {
      for (std::int64_t i = 0; i < slice.count; ++i) out[i] = in[slice.start + i * slice.step];
    }
    out += slice.count;
    return;
  }
  for (std::int64_t i = 0; i < slice.count; ++i) {
    copy_slices(in + (slice.start + i * slice.step) * stride, shape, slices, axis + 1, out);
  }
}

void slice(OpRun& run, std::span<const std::int64_t> starts, std::span<const std::int64_t> ends,
           std::optional<std::vector<std::int64_t>> axes, std::optional<std::vector<std::int64_t>> steps) {
  const Tensor& x = run.input(0);
  const std::size_t count = starts.size();
  if (!axes) {
    axes.emplace();
    for (std::size_t i = 0; i < count; ++i) axes->push_back(static_cast<std::int64_t>(i));
  }
  if (!steps) steps.emplace(count, 1);
  if (ends.size() != count || axes->size() != count || steps->size() != count) {
    fail("{} starts, {} ends, {} axes and {} steps", count, ends.size(), axes->size(), steps->size());
  }
  std::vector<AxisSlice> slices;
  for (const std::int64_t dim : x.shape()) slices.push_back({0, 1, dim});
  std::vector<bool> seen(x.shape().size(), false);
  for (std::size_t i = 0; i < count; ++i) {
    const auto axis = static_cast<std::size_t>(checked_axis((*axes)[i], x.rank()));
    if (seen[axis]) fail("axis {} is sliced twice", axis);
    seen[axis] = true;
    slices[axis] = resolve(x.shape()[axis], starts[i], ends[i], (*steps)[i]);
  }
  Shape shape;
  for (const AxisSlice& each : slices) shape.push_back(each.count);
  if (shape == x.shape() &&
      std::all_of(slices.begin(), slices.end(), [](const AxisSlice& s) { return s.step == 1; })) {
    return run.set_output(0, x);
  }
  Tensor& y = run.output(0, x.dtype(), shape);
  if (y.count() == 0) return;
  // Inner axes that are taken whole are one axis of longer rows.
  Shape merged = x.shape();
  while (merged.size() > 1 && slices.back().step == 1 && slices.back().count == merged.back()) {
    const std::int64_t inner = merged.back();
    if (slices[slices.size() - 2].step != 1) break;
    merged.pop_back();
    slices.pop_back();
    merged.back() *= inner;
    slices.back().start *= inner;
    slices.back().count *= inner;
  }
  visit_widths(x.dtype(), [&]<typename T>() {
    T* out = mutable_units<T>(y);
    copy_slices(units<T>(x), merged, slices, 0, out);
  });
}

RunFn make_slice_1(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const auto starts = node.integers("starts");
  const auto ends = node.integers("ends");
  if (!starts || !ends) fail("attributes starts and ends are needed");
  return [starts = *starts, ends = *ends, axes = node.integers("axes")](OpRun& run) {
    slice(run, starts, ends, axes, std::nullopt);
  };
}

RunFn make_slice(OpNode& node) {
  node.expect_inputs(3, 5);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    const auto list = [&](int index) {
      return run.has_input(index) ? std::optional(to_integers(run.input(index))) : std::nullopt;
    };
    slice(run, to_integers(run.input(1)), to_integers(run.input(2)), list(3), list(4));
  };
}

}  // namespace

std::span<const OpDef> slice_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Slice", 1, make_slice_1, Half::kAsIs},
      {"", "Slice", 10, make_slice, Half::kAsIs},
  };
  return kOps;
}

}  // namespace bantam
