// Reading by index: Gather, GatherElements, GatherND.
#include <cstring>

#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

// Index i of an axis of `dim`, counting from the end when negative.
std::int64_t checked_index(std::int64_t index, std::int64_t dim) {
  if (index < -dim || index >= dim) fail("index {} is not in an axis of {}", index, dim);
  return index < 0 ? index + dim : index;
}

std::vector<std::int64_t> resolve_indices(const Tensor& indices, std::int64_t dim) {
  std::vector<std::int64_t> values = to_integers(indices);
  for (std::int64_t& value : values) value = checked_index(value, dim);
  return values;
}

void gather_strings(OpRun& run, const std::vector<std::int64_t>& indices, int axis, Shape shape) {
  const Tensor& x = run.input(0);
  const std::int64_t outer = product(x.shape(), 0, axis);
  const std::int64_t inner = product(x.shape(), axis + 1, x.rank());
  std::vector<std::string> out;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const std::int64_t index : indices) {
      for (std::int64_t i = 0; i < inner; ++i) {
        out.push_back(x.strings()[static_cast<std::size_t>((o * x.dim(axis) + index) * inner + i)]);
      }
    }
  }
  run.set_output(0, Tensor::of_strings(std::move(shape), std::move(out)));
}

RunFn make_gather(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  const std::int64_t wanted_axis = node.integer("axis", 0);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const Tensor& indices = run.input(1);
    const int axis = checked_axis(wanted_axis, x.rank());
    const std::vector<std::int64_t> rows = resolve_indices(indices, x.dim(axis));
    Shape shape(x.shape().begin(), x.shape().begin() + axis);
    shape.insert(shape.end(), indices.shape().begin(), indices.shape().end());
    shape.insert(shape.end(), x.shape().begin() + axis + 1, x.shape().end());
    if (x.dtype() == DType::kString) return gather_strings(run, rows, axis, std::move(shape));
    if (info(x.dtype()).bits < 8) fail("element type {} is not supported", name(x.dtype()));
    Tensor& y = run.output(0, x.dtype(), std::move(shape));
    const std::int64_t block = product(x.shape(), axis + 1, x.rank()) * (info(x.dtype()).bits / 8);
    if (y.count() == 0) return;
    const std::byte* in = x.bytes().data();
    std::byte* out = y.mutable_bytes().data();
    const auto per_outer = static_cast<std::int64_t>(rows.size());
    const std::int64_t total = product(x.shape(), 0, axis) * per_outer;
    parallel_pieces(run.pool(), total, kElementGrain * 4 / block, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = i / per_outer * x.dim(axis) + rows[static_cast<std::size_t>(i % per_outer)];
        std::memcpy(out + i * block, in + row * block, static_cast<std::size_t>(block));
      }
    });
  };
}

RunFn make_gather_elements(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  const std::int64_t wanted_axis = node.integer("axis", 0);
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const Tensor& indices = run.input(1);
    const int axis = checked_axis(wanted_axis, x.rank());
    if (indices.rank() != x.rank()) fail("indices of rank {} for data of rank {}", indices.rank(), x.rank());
    for (int d = 0; d < x.rank(); ++d) {
      if (d != axis && indices.dim(d) > x.dim(d)) {
        fail("indices of shape {} reach beyond {}", to_string(indices.shape()), to_string(x.shape()));
      }
    }
    const std::vector<std::int64_t> rows = resolve_indices(indices, x.dim(axis));
    Tensor& y = run.output(0, x.dtype(), indices.shape());
    std::vector<std::int64_t> strides(x.shape().size(), 1);
    for (std::size_t d = strides.size(); d-- > 1;) strides[d - 1] = strides[d] * x.shape()[d];
    visit_widths(x.dtype(), [&]<typename T>() {
      const T* in = units<T>(x);
      T* out = mutable_units<T>(y);
      for (std::int64_t i = 0; i < y.count(); ++i) {
        std::int64_t offset = 0;
        std::int64_t rest = i;
        for (int d = x.rank() - 1; d >= 0; --d) {
          const std::int64_t at = rest % indices.dim(d);
          rest /= indices.dim(d);
          offset +=
              (d == axis ? rows[static_cast<std::size_t>(i)] : at) * strides[static_cast<std::size_t>(d)];
        }
        out[i] = in[offset];
      }
    });
  };
}

RunFn make_gather_nd(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  const std::int64_t wanted = node.opset() >= 12 ? node.integer("batch_dims", 0) : 0;
  return [=](OpRun& run) {
    const Tensor& x = run.input(0);
    const Tensor& indices = run.input(1);
    if (indices.rank() < 1 || wanted < 0 || wanted >= std::min(x.rank(), indices.rank())) {
      fail("batch_dims {} with data {} and indices {}", wanted, to_string(x.shape()),
           to_string(indices.shape()));
    }
    const int batch = static_cast<int>(wanted);
    const std::int64_t depth = indices.shape().back();
    if (depth < 1 || batch + depth > x.rank())
      fail("indices of {} numbers into {}", depth, to_string(x.shape()));
    for (int d = 0; d < batch; ++d) {
      if (x.dim(d) != indices.dim(d))
        fail("data {} and indices {}", to_string(x.shape()), to_string(indices.shape()));
    }
    const int first_kept = batch + static_cast<int>(depth);
    Shape shape(indices.shape().begin(), indices.shape().end() - 1);
    shape.insert(shape.end(), x.shape().begin() + first_kept, x.shape().end());
    Tensor& y = run.output(0, x.dtype(), std::move(shape));
    const std::int64_t block = product(x.shape(), first_kept, x.rank());
    const std::vector<std::int64_t> numbers = to_integers(indices);
    const std::int64_t tuples = depth == 0 ? 0 : indices.count() / depth;
    const std::int64_t per_batch = product(indices.shape(), batch, indices.rank() - 1);
    visit_widths(x.dtype(), [&]<typename T>() {
      const T* in = units<T>(x);
      T* out = mutable_units<T>(y);
      for (std::int64_t t = 0; t < tuples; ++t) {
        std::int64_t row = t / per_batch;
        for (std::int64_t k = 0; k < depth; ++k) {
          const std::int64_t dim = x.dim(batch + static_cast<int>(k));
          row = row * dim + checked_index(numbers[static_cast<std::size_t>(t * depth + k)], dim);
        }
        std::copy_n(in + row * block, block, out + t * block);
      }
    });
  };
}

}  // namespace

std::span<const OpDef> gather_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Gather", 1, make_gather, Half::kAsIs},
      {"", "GatherElements", 11, make_gather_elements, Half::kAsIs},
      {"", "GatherND", 11, make_gather_nd, Half::kAsIs},
  };
  return kOps;
}

}  // namespace bantam
