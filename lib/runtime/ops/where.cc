// Where and Clip: choosing between values.
#include <cmath>
#include <limits>

#include "runtime/ops/broadcast.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

RunFn make_where(OpNode& node) {
  node.expect_inputs(3, 3);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    const Tensor& condition = run.input(0);
    const Tensor& x = run.input(1);
    const Tensor& y = run.input(2);
    if (condition.dtype() != DType::kBool) fail("the condition is {}, not bool", name(condition.dtype()));
    if (x.dtype() != y.dtype()) fail("{} and {} to choose from", name(x.dtype()), name(y.dtype()));
    const Shape* shapes[] = {&condition.shape(), &x.shape(), &y.shape()};
    const Shape shape = broadcast_shape(shapes);
    const BroadcastWalk walk(shapes, shape);
    const std::uint8_t* chosen = condition.data<std::uint8_t>().data();
    Tensor& out = run.output(0, x.dtype(), shape);
    visit_widths(x.dtype(), [&]<typename T>() {
      const T* yes = units<T>(x);
      const T* no = units<T>(y);
      T* to = mutable_units<T>(out);
      walk.run(run.pool(), [&](std::int64_t at, const auto& offsets, std::int64_t count) {
        const std::int64_t steps[] = {walk.inner_stride(0), walk.inner_stride(1), walk.inner_stride(2)};
        for (std::int64_t i = 0; i < count; ++i) {
          to[at + i] = chosen[offsets[0] + i * steps[0]] != 0 ? yes[offsets[1] + i * steps[1]]
                                                              : no[offsets[2] + i * steps[2]];
        }
      });
    });
  };
}

template <typename T>
void clip(OpRun& run, T low, T high) {
  const Tensor& x = run.input(0);
  Tensor& y = run.output_over(0, 0, x.dtype(), x.shape());
  const T* in = x.data<T>().data();
  T* out = y.mutable_data<T>().data();
  parallel_pieces(run.pool(), x.count(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T raised = in[i] < low ? low : in[i];  // NaN stays NaN
      out[i] = raised > high ? high : raised;
    }
  });
}

template <typename T>
T bound_or(const Tensor* bound, T otherwise) {
  if (bound == nullptr) return otherwise;
  const auto values = bound->data<T>();
  if (values.size() != 1) fail("bound of shape {} where one number was expected", to_string(bound->shape()));
  return values[0];
}

RunFn make_clip_6(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const float low = node.real("min", std::numeric_limits<float>::lowest());
  const float high = node.real("max", std::numeric_limits<float>::max());
  return [=](OpRun& run) {
    visit_floats(run.input(0).dtype(),
                 [&]<typename T>() { clip<T>(run, static_cast<T>(low), static_cast<T>(high)); });
  };
}

RunFn make_clip(OpNode& node) {
  node.expect_inputs(1, 3);
  node.expect_outputs(1, 1);
  return [](OpRun& run) {
    visit_numbers(run.input(0).dtype(), [&]<typename T>() {
      using Limits = std::numeric_limits<T>;
      constexpr T kLow = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
      constexpr T kHigh = Limits::has_infinity ? Limits::infinity() : Limits::max();
      clip<T>(run, bound_or(run.optional_input(1), kLow), bound_or(run.optional_input(2), kHigh));
    });
  };
}

}  // namespace

std::span<const OpDef> where_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Clip", 6, make_clip_6},
      {"", "Clip", 11, make_clip},
      {"", "Where", 9, make_where, Half::kAsIs},
  };
  return kOps;
}

}  // namespace bantam
