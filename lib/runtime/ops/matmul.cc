// MatMul and Gemm.
#include "runtime/ops/matmul.h"
#include "runtime/kernels/gemm.h"
#include "runtime/ops/broadcast.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/transpose.h"

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

// The types that have no tuned kernel: integers wrap around, doubles add in order.
template <typename T>
void plain_product(const T* a, const T* b, T* c, std::int64_t m, std::int64_t k, std::int64_t n) {
  using Sum = std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;
  for (std::int64_t i = 0; i < m; ++i) {
    std::vector<Sum> row(static_cast<std::size_t>(n));
    for (std::int64_t p = 0; p < k; ++p) {
      const auto left = static_cast<Sum>(a[i * k + p]);
      for (std::int64_t j = 0; j < n; ++j)
        row[static_cast<std::size_t>(j)] += left * static_cast<Sum>(b[p * n + j]);
    }
    for (std::int64_t j = 0; j < n; ++j) c[i * n + j] = static_cast<T>(row[static_cast<std::size_t>(j)]);
  }
}

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

RunFn make_matmul(OpNode& node) {
  node.expect_inputs(2, 2);
  node.expect_outputs(1, 1);
  const Kernels& table = node.kernels();
  const Tensor* weight = node.constant(1);
  if (weight != nullptr && weight->dtype() == DType::kF32 && weight->rank() == 2) {
    const std::int64_t k = weight->dim(0);
    const std::int64_t n = weight->dim(1);
    const PackedB packed =
        pack_b(table, weight->data<float>().data(), n, false, k, n, node.memory(), node.pool());
    node.consumed(1);
    return [=, shape_of_b = weight->shape()](OpRun& run) {
      const Tensor& a = run.input(0);
      const MatMulShape shape = matmul_shape(a.shape(), shape_of_b);
      float* c = run.output(0, DType::kF32, shape.output).mutable_data<float>().data();
      gemm(a.rank() == 1 ? 1 : product(a.shape(), 0, a.rank() - 1), a.data<float>().data(), k, packed, c, n,
           {}, run.pool());
    };
  }
  return [&table](OpRun& run) {
    const MatMulShape shape = matmul_shape(run.input(0).shape(), run.input(1).shape());
    if (run.input(0).dtype() == DType::kF32) return float_products(run, table, shape);
    any_products(run, shape);
  };
}

struct GemmAttributes {
  float alpha, beta;
  bool transpose_a, transpose_b;
};

// Starts C from beta * C0 broadcast over [m, n].
template <typename T>
void start_from(const Tensor* c0, T beta, T* c, const Shape& shape, ThreadPool& pool) {
  if (c0 == nullptr || beta == T{0}) {
    std::fill_n(c, element_count(shape), T{0});
    return;
  }
  if (broadcast_shape(c0->shape(), shape) != shape)
    fail("C of shape {} for a product of {}", to_string(c0->shape()), to_string(shape));
  const T* from = c0->data<T>().data();
  const Shape* shapes[] = {&c0->shape()};
  const BroadcastWalk walk(shapes, shape);
  walk.run(pool, [&](std::int64_t at, const auto& offsets, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) c[at + i] = beta * from[offsets[0] + i * walk.inner_stride(0)];
  });
}

Tensor oriented(const Tensor& x, bool transpose, OpRun& run) {
  const std::int64_t swap[] = {1, 0};
  return transpose ? transposed(x, swap, run.memory(), run.pool()) : x;
}

// y = alpha * A' * B' + beta * C, general form.
template <typename T>
void plain_gemm(OpRun& run, const GemmAttributes& attributes) {
  const Tensor a = oriented(run.input(0), attributes.transpose_a, run);
  const Tensor b = oriented(run.input(1), attributes.transpose_b, run);
  const MatMulShape shape = matmul_shape(a.shape(), b.shape());
  T* y = run.output(0, dtype_of<T>(), shape.output).template mutable_data<T>().data();
  Tensor product_tensor = run.scratch(dtype_of<T>(), shape.output);
  T* values = product_tensor.mutable_data<T>().data();
  plain_product(a.data<T>().data(), b.data<T>().data(), values, shape.m, shape.k, shape.n);
  start_from<T>(run.optional_input(2), static_cast<T>(attributes.beta), y, shape.output, run.pool());
  for (std::int64_t i = 0; i < shape.m * shape.n; ++i)
    y[i] = static_cast<T>(y[i] + static_cast<T>(attributes.alpha) * values[i]);
}

void float_gemm(OpRun& run, const Kernels& table, const GemmAttributes& attributes, const PackedB* packed) {
  const Tensor a = oriented(run.input(0), attributes.transpose_a, run);
  const std::int64_t m = a.dim(0);
  const std::int64_t k = a.dim(1);
  PackedB local;
  if (packed == nullptr) {
    const Tensor& b = run.input(1);
    expect_rank(b, 2, "B");
    const std::int64_t n = b.dim(attributes.transpose_b ? 0 : 1);
    local = pack_b(table, b.data<float>().data(), b.dim(1), attributes.transpose_b,
                   b.dim(attributes.transpose_b ? 1 : 0), n, run.memory(), run.pool());
    packed = &local;
  }
  if (packed->k != k) fail("A of shape {} for a B with {} rows", to_string(a.shape()), packed->k);
  const Shape shape = {m, packed->n};
  Tensor& y = run.output(0, DType::kF32, shape);
  float* out = y.mutable_data<float>().data();
  const Tensor* c = run.optional_input(2);
  Epilogue epilogue;
  const bool row_bias = c != nullptr && c->count() == packed->n && c->shape().back() == packed->n &&
                        attributes.beta == 1.0f && attributes.alpha == 1.0f;
  if (row_bias) epilogue.bias = c->data<float>().data();
  gemm(m, a.data<float>().data(), k, *packed, out, packed->n, epilogue, run.pool());
  if (attributes.alpha != 1.0f) {
    for (std::int64_t i = 0; i < y.count(); ++i) out[i] *= attributes.alpha;
  }
  if (c == nullptr || row_bias) return;
  Tensor start = run.scratch(DType::kF32, shape);
  float* from = start.mutable_data<float>().data();
  start_from<float>(c, attributes.beta, from, shape, run.pool());
  for (std::int64_t i = 0; i < y.count(); ++i) out[i] += from[i];
}

RunFn make_gemm(OpNode& node) {
  node.expect_inputs(2, 3);
  if (node.opset() < 11) node.expect_inputs(3, 3);
  node.expect_outputs(1, 1);
  const GemmAttributes attributes = {node.real("alpha", 1.0f), node.real("beta", 1.0f),
                                     node.flag("transA", false), node.flag("transB", false)};
  const Kernels& table = node.kernels();
  std::optional<PackedB> packed;
  const Tensor* b = node.constant(1);
  if (b != nullptr && b->dtype() == DType::kF32 && b->rank() == 2) {
    const std::int64_t k = b->dim(attributes.transpose_b ? 1 : 0);
    const std::int64_t n = b->dim(attributes.transpose_b ? 0 : 1);
    packed = pack_b(table, b->data<float>().data(), b->dim(1), attributes.transpose_b, k, n, node.memory(),
                    node.pool());
    node.consumed(1);
  }
  return [=, &table](OpRun& run) {
    expect_rank(run.input(0), 2, "A");
    if (run.input(0).dtype() == DType::kF32)
      return float_gemm(run, table, attributes, packed ? &*packed : nullptr);
    expect_rank(run.input(1), 2, "B");
    visit_types<double, std::int64_t, std::int32_t, std::uint64_t, std::uint32_t>(
        run.input(0).dtype(), [&]<typename T>() { plain_gemm<T>(run, attributes); });
  };
}

}  // namespace

std::span<const OpDef> matmul_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Gemm", 7, make_gemm},
      {"", "MatMul", 1, make_matmul},
  };
  return kOps;
}

}  // namespace bantam
