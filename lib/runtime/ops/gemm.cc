// Gemm: alpha * A' * B' + beta * C.
#include "runtime/kernels/gemm.h"

#include "runtime/fuse.h"
#include "runtime/ops/activation.h"
#include "runtime/ops/broadcast.h"
#include "runtime/ops/matmul.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/transpose.h"

namespace bantam {
namespace {

struct GemmAttributes {
  float alpha, beta;
  bool transpose_a, transpose_b;
  Activation activation;
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
  // One number per column is added while C is written; any other C takes another pass.
  const bool in_epilogue = attributes.alpha == 1.0f &&
                           (c == nullptr || (attributes.beta == 1.0f && c->rank() > 0 &&
                                             c->count() == packed->n && c->shape().back() == packed->n));
  if (in_epilogue) {
    if (c != nullptr) epilogue.bias = c->data<float>().data();
    epilogue.activation = attributes.activation;
  }
  gemm(m, a.data<float>().data(), k, *packed, out, packed->n, epilogue, run.pool());
  if (in_epilogue) return;
  Tensor start = run.scratch(DType::kF32, shape);
  float* from = start.mutable_data<float>().data();
  start_from<float>(c, attributes.beta, from, shape, run.pool());
  for (std::int64_t i = 0; i < y.count(); ++i) out[i] = attributes.alpha * out[i] + from[i];
  table.vector.activate(attributes.activation, out, out, y.count());
}

RunFn make_gemm(OpNode& node) {
  node.expect_inputs(2, 3);
  if (node.opset() < 11 && node.node().domain.empty()) node.expect_inputs(3, 3);
  node.expect_outputs(1, 1);
  const GemmAttributes attributes = {node.real("alpha", 1.0f), node.real("beta", 1.0f),
                                     node.flag("transA", false), node.flag("transB", false),
                                     activation_of(node)};
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

std::span<const OpDef> gemm_ops() {
  static constexpr OpDef kOps[] = {
      {"", "Gemm", 7, make_gemm},
      {kInternalDomain, "Gemm", 1, make_gemm},
  };
  return kOps;
}

}  // namespace bantam
