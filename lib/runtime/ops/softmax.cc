// Softmax, LogSoftmax and Hardmax.
#include <cmath>

#include "runtime/kernels/kernels.h"
#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/transpose.h"

namespace bantam {
namespace {

enum class Kind { kSoftmax, kLogSoftmax, kHardmax };

void hardmax_row(float* row, std::int64_t count) {
  const std::int64_t best = std::max_element(row, row + count) - row;
  std::fill_n(row, count, 0.0f);
  if (count > 0) row[best] = 1.0f;
}

void double_row(double* row, std::int64_t count, Kind kind) {
  const double high = *std::max_element(row, row + count);
  double total = 0;
  for (std::int64_t i = 0; i < count; ++i) total += std::exp(row[i] - high);
  for (std::int64_t i = 0; i < count; ++i) {
    row[i] = kind == Kind::kLogSoftmax ? row[i] - high - std::log(total) : std::exp(row[i] - high) / total;
  }
}

void rows_in_place(Tensor& y, std::int64_t width, Kind kind, const VectorKernels& kernels, ThreadPool& pool) {
  if (y.count() == 0) return;
  const std::int64_t rows = y.count() / width;
  if (y.dtype() == DType::kF64) {
    if (kind == Kind::kHardmax) fail("element type float64 is not supported");
    for (std::int64_t r = 0; r < rows; ++r)
      double_row(y.mutable_data<double>().data() + r * width, width, kind);
    return;
  }
  float* data = y.mutable_data<float>().data();
  parallel_pieces(pool, rows, kElementGrain / 4 / width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      if (kind == Kind::kHardmax) {
        hardmax_row(data + r * width, width);
      } else {
        kernels.softmax(data + r * width, width, kind == Kind::kLogSoftmax);
      }
    }
  });
}

Tensor& copy_over(OpRun& run) {
  const Tensor& x = run.input(0);
  Tensor& y = run.output_over(0, 0, x.dtype(), x.shape());
  if (y.bytes().data() != x.bytes().data())
    std::copy(x.bytes().begin(), x.bytes().end(), y.mutable_bytes().begin());
  return y;
}

// Before opset 13: over all axes from `axis` on, seen as one.
template <Kind kKind>
RunFn make_flat(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const std::int64_t wanted = node.integer("axis", 1);
  return [wanted, &table = node.kernels().vector](OpRun& run) {
    const Tensor& x = run.input(0);
    const int axis = wanted == x.rank() ? x.rank() : checked_axis(wanted, x.rank());
    const std::int64_t width = product(x.shape(), axis, x.rank());
    rows_in_place(copy_over(run), width, kKind, table, run.pool());
  };
}

template <Kind kKind>
RunFn make_axis(OpNode& node) {
  node.expect_inputs(1, 1);
  node.expect_outputs(1, 1);
  const std::int64_t wanted = node.integer("axis", -1);
  return [wanted, &table = node.kernels().vector](OpRun& run) {
    const Tensor& x = run.input(0);
    const int axis = checked_axis(wanted, x.rank());
    if (axis == x.rank() - 1) return rows_in_place(copy_over(run), x.dim(axis), kKind, table, run.pool());
    std::vector<std::int64_t> order;
    for (int d = 0; d < x.rank(); ++d)
      order.push_back(d == axis ? x.rank() - 1 : d == x.rank() - 1 ? axis : d);
    Tensor moved = transposed(x, order, run.memory(), run.pool());
    if (moved.bytes().data() == x.bytes().data()) {
      Tensor copy = run.scratch(x.dtype(), moved.shape());
      std::copy(x.bytes().begin(), x.bytes().end(), copy.mutable_bytes().begin());
      moved = copy;
    }
    rows_in_place(moved, x.dim(axis), kKind, table, run.pool());
    run.set_output(0, transposed(moved, order, run.memory(), run.pool()));
  };
}

}  // namespace

std::span<const OpDef> softmax_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Hardmax", 1, make_flat<Kind::kHardmax>},
      {"", "Hardmax", 13, make_axis<Kind::kHardmax>},
      {"", "LogSoftmax", 1, make_flat<Kind::kLogSoftmax>},
      {"", "LogSoftmax", 13, make_axis<Kind::kLogSoftmax>},
      {"", "Softmax", 1, make_flat<Kind::kSoftmax>},
      {"", "Softmax", 13, make_axis<Kind::kSoftmax>},
  };
  return kOps;
}

}  // namespace bantam
