// MatMul over batches of any shape.
#include "runtime/ops/matmul.h"
#include "runtime/fuse.h"
#include "runtime/kernels/gemm.h"
#include "runtime/ops/activation.h"
#include "runtime/ops/broadcast.h"
#include "runtime/ops/ops.h"

namespace bantam {

MatMulShape matmul_shape(const Shape& a, const Shape& b) {
  if (a.empty() || b.empty()) fail("a scalar in a matrix product: {} and {}", to_string(a), to_string(b));
  Shape left = a;
  Shape right = b;
  if (a.size() == 1) left.insert(left.begin(), 1);
  if (b.size() == 1) right.push_back(1);
  MatMulShape shape;
  shape.m = left[left.size() - 2];
  shape.k = left.back();
  shape.n = right.back();
  if (right[right.size() - 2] != shape.k)
    fail("shapes {} and {} do not multiply", to_string(a), to_string(b));
  shape.left_batch.assign(left.begin(), left.end() - 2);
  shape.right_batch.assign(right.begin(), right.end() - 2);
  shape.batch = broadcast_shape(shape.left_batch, shape.right_batch);
  shape.output = shape.batch;
  if (a.size() > 1) shape.output.push_back(shape.m);
  if (b.size() > 1) shape.output.push_back(shape.n);
  return shape;
}

std::vector<std::array<std::int64_t, 2>> matmul_pairs(const MatMulShape& shape) {
  std::vector<std::array<std::int64_t, 2>> pairs(static_cast<std::size_t>(element_count(shape.batch)));
  const Shape* shapes[] = {&shape.left_batch, &shape.right_batch};
  const BroadcastWalk walk(shapes, shape.batch);
  ThreadPool inline_pool(1);
  walk.run(inline_pool, [&](std::int64_t at, const auto& offsets, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      pairs[static_cast<std::size_t>(at + i)] = {offsets[0] + i * walk.inner_stride(0),
                                                 offsets[1] + i * walk.inner_stride(1)};
    }
  });
  return pairs;
}

namespace {

void float_products(OpRun& run, const Kernels& table, const MatMulShape& shape) {
  const float* a = run.input(0).data<float>().data();
  const float* b = run.input(1).data<float>().data();
  float* c = run.output(0, DType::kF32, shape.output).mutable_data<float>().data();
  const auto pairs = matmul_pairs(shape);
  const bool one_b = element_count(shape.right_batch) == 1;
  if (one_b || pairs.size() == 1) {  // one B for all: the batch is more rows
    const std::int64_t rows = shape.m * static_cast<std::int64_t>(pairs.size());
    gemm(rows, a, shape.k, pack_b(table, b, shape.n, false, shape.k, shape.n, run.memory(), run.pool()), c,
         shape.n, {}, run.pool());
    return;
  }
  const std::int64_t packed = packed_floats(table, shape.k, shape.n);
  Tensor scratch = run.scratch(DType::kF32, {run.pool().threads(), packed});
  float* space = scratch.mutable_data<float>().data();
  run.pool().run(std::ssize(pairs), [&](std::int64_t item, int worker) {
    const auto [left, right] = pairs[static_cast<std::size_t>(item)];
    const PackedB panels = pack_b_into(table, b + right * shape.k * shape.n, shape.n, false, shape.k, shape.n,
                                       space + worker * packed);
    gemm_serial(shape.m, a + left * shape.m * shape.k, shape.k, panels, c + item * shape.m * shape.n, shape.n,
                {});
  });
}

void any_products(OpRun& run, const MatMulShape& shape) {
  visit_types<double, std::int64_t, std::int32_t, std::uint64_t, std::uint32_t>(
      run.input(0).dtype(), [&]<typename T>() {
        const T* a = run.input(0).data<T>().data();
        const T* b = run.input(1).data<T>().data();
        T* c = run.output(0, dtype_of<T>(), shape.output).template mutable_data<T>().data();
        const auto pairs = matmul_pairs(shape);
        run.pool().run(std::ssize(pairs), [&](std::int64_t item, int) {
          const auto [left, right] = pairs[static_cast<std::size_t>(item)];
          plain_product(a + left * shape.m * shape.k, b + right * shape.k * shape.n,
                        c + item * shape.m * shape.n, shape.m, shape.k, shape.n);
        });
      });
}

// A constant matrix on the right; the internal form adds a bias and computes an activation.
RunFn make_fused_matmul(OpNode& node) {
  node.expect_inputs(2, 3);
  node.expect_outputs(1, 1);
  const Activation activation = activation_of(node);
  const Tensor* weight = node.constant(1);
  if (weight == nullptr) fail("the weight is not constant");
  expect_rank(*weight, 2, "the weight");
  const std::int64_t k = weight->dim(0);
  const std::int64_t n = weight->dim(1);
  const PackedB packed =
      pack_b(node.kernels(), weight->data<float>().data(), n, false, k, n, node.memory(), node.pool());
  node.consumed(1);
  return [=, shape_of_b = weight->shape()](OpRun& run) {
    const Tensor& a = run.input(0);
    const MatMulShape shape = matmul_shape(a.shape(), shape_of_b);
    Epilogue epilogue;
    epilogue.activation = activation;
    if (const Tensor* bias = run.optional_input(2)) {
      expect_shape(*bias, {n}, "the bias");
      epilogue.bias = bias->data<float>().data();
    }
    float* c = run.output(0, DType::kF32, shape.output).mutable_data<float>().data();
    const std::int64_t rows = a.rank() == 1 ? 1 : product(a.shape(), 0, a.rank() - 1);
    gemm(rows, a.data<float>().data(), k, packed, c, n, epilogue, run.pool());
  };
}

RunFn make_matmul(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  const Kernels& table = node.kernels();
  const Tensor* weight = node.constant(1);
  if (weight != nullptr && weight->dtype() == DType::kF32 && weight->rank() == 2)
    return make_fused_matmul(node);
  return [&table](OpRun& run) {
    const MatMulShape shape = matmul_shape(run.input(0).shape(), run.input(1).shape());
    if (run.input(0).dtype() == DType::kF32) return float_products(run, table, shape);
    any_products(run, shape);
  };
}

}  // namespace

std::span<const OpDef> matmul_ops() {
  static constexpr OpDef kOps[] = {
      {"", "MatMul", 1, make_matmul},
      {kInternalDomain, "MatMul", 1, make_fused_matmul},
  };
  return kOps;
}

}  // namespace bantam
