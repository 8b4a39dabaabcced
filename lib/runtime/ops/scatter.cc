// Writing by index: ScatterElements (once Scatter) and ScatterND.
#include <cstring>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

enum class Reduction { kNone, kAdd, kMul, kMin, kMax };

Reduction reduction_of(OpNode& node) {
  const std::string name = node.opset() >= 16 ? node.text("reduction", "none") : "none";
  if (name == "none") return Reduction::kNone;
  if (name == "add") return Reduction::kAdd;
  if (name == "mul") return Reduction::kMul;
  if (name == "min" && node.opset() >= 18) return Reduction::kMin;
  if (name == "max" && node.opset() >= 18) return Reduction::kMax;
  fail("reduction \"{}\" is not known", name);
}

template <typename T>
T reduce(Reduction reduction, T old, T update) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, T, std::uint64_t>;
  switch (reduction) {
    case Reduction::kNone:
      return update;
    case Reduction::kAdd:
      return static_cast<T>(static_cast<Wide>(old) + static_cast<Wide>(update));
    case Reduction::kMul:
      return static_cast<T>(static_cast<Wide>(old) * static_cast<Wide>(update));
    case Reduction::kMin:
      return std::min(old, update);
    case Reduction::kMax:
      return std::max(old, update);
  }
  return update;
}

Tensor& copy_over(OpRun& run) {
  const Tensor& x = run.input(0);
  Tensor& y = run.output_over(0, 0, x.dtype(), x.shape());
  if (y.bytes().data() != x.bytes().data())
    std::copy(x.bytes().begin(), x.bytes().end(), y.mutable_bytes().begin());
  return y;
}

// Calls `write` with the element type: of any type when nothing is added up.
template <typename F>
void visit_elements(DType dtype, Reduction reduction, F&& write) {
  if (reduction == Reduction::kNone) return visit_widths(dtype, write);
  visit_numbers(dtype, write);
}

std::int64_t checked_index(std::int64_t index, std::int64_t dim) {
  if (index < -dim || index >= dim) fail("index {} is not in an axis of {}", index, dim);
  return index < 0 ? index + dim : index;
}

RunFn make_scatter_elements(OpNode& node) {
  node.expect_inputs(3, 3);
  node.expect_outputs(1, 1);
  const std::int64_t wanted = node.integer("axis", 0);
  const Reduction reduction = reduction_of(node);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const Tensor& indices = run.input(1);
    const Tensor& updates = run.input(2);
    const int axis = checked_axis(wanted, x.rank());
    expect_shape(updates, indices.shape(), "the updates");
    if (updates.dtype() != x.dtype())
      fail("updates of {} for data of {}", name(updates.dtype()), name(x.dtype()));
    bool fits = indices.rank() == x.rank();
    for (int d = 0; fits && d < x.rank(); ++d) fits = d == axis || indices.dim(d) <= x.dim(d);
    if (!fits) fail("indices of shape {} reach beyond {}", to_string(indices.shape()), to_string(x.shape()));
    const std::vector<std::int64_t> at = to_integers(indices);
    const Shape shape = x.shape();
    Tensor& y = copy_over(run);
    visit_elements(x.dtype(), reduction, [&]<typename T>() {
      const T* from = units<T>(updates);
      T* out = mutable_units<T>(y);
      for (std::int64_t i = 0; i < std::ssize(at); ++i) {
        std::int64_t offset = 0;
        std::int64_t stride = 1;
        std::int64_t rest = i;
        for (int d = static_cast<int>(shape.size()) - 1; d >= 0; --d) {
          const std::int64_t dim = shape[static_cast<std::size_t>(d)];
          const std::int64_t index = rest % indices.dim(d);
          rest /= indices.dim(d);
          offset += (d == axis ? checked_index(at[static_cast<std::size_t>(i)], dim) : index) * stride;
          stride *= dim;
        }
        out[offset] = reduce(reduction, out[offset], from[i]);
      }
    });
  };
}

RunFn make_scatter_nd(OpNode& node) {
  node.expect_inputs(3, 3);
  node.expect_outputs(1, 1);
  const Reduction reduction = reduction_of(node);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const Tensor& indices = run.input(1);
    const Tensor& updates = run.input(2);
    if (indices.rank() < 1) fail("indices without axes");
    const std::int64_t depth = indices.shape().back();
    if (depth < 1 || depth > x.rank()) fail("indices of {} numbers into {}", depth, to_string(x.shape()));
    if (updates.dtype() != x.dtype())
      fail("updates of {} for data of {}", name(updates.dtype()), name(x.dtype()));
    Shape expected(indices.shape().begin(), indices.shape().end() - 1);
    expected.insert(expected.end(), x.shape().begin() + depth, x.shape().end());
    expect_shape(updates, expected, "the updates");
    const std::vector<std::int64_t> at = to_integers(indices);
    const Shape shape = x.shape();
    const std::int64_t block = product(shape, static_cast<int>(depth), static_cast<int>(shape.size()));
    Tensor& y = copy_over(run);
    visit_elements(x.dtype(), reduction, [&]<typename T>() {
      const T* from = units<T>(updates);
      T* out = mutable_units<T>(y);
      for (std::int64_t t = 0; t * depth < std::ssize(at); ++t) {
        std::int64_t row = 0;
        for (std::int64_t k = 0; k < depth; ++k) {
          const std::int64_t dim = shape[static_cast<std::size_t>(k)];
          row = row * dim + checked_index(at[static_cast<std::size_t>(t * depth + k)], dim);
        }
        for (std::int64_t i = 0; i < block; ++i) {
          out[row * block + i] = reduce(reduction, out[row * block + i], from[t * block + i]);
        }
      }
    });
  };
}

}  // namespace

std::span<const OpDef> scatter_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Scatter", 9, make_scatter_elements},
      {"", "ScatterElements", 11, make_scatter_elements},
      {"", "ScatterND", 11, make_scatter_nd},
  };
  return kOps;
}

}  // namespace bantam
