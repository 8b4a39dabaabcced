// Products of quantized matrices: MatMulInteger, QLinearMatMul and the com.microsoft forms that return
// floats.
#include <cmath>

#include "runtime/fuse.h"
#include "runtime/kernels/gemm_s8.h"
#include "runtime/ops/activation.h"
#include "runtime/ops/common.h"
#include "runtime/ops/dynamic_quantize.h"
#include "runtime/ops/matmul.h"
#include "runtime/ops/ops.h"

namespace bantam {
namespace {

bool is_byte(const Tensor& tensor) {
  return tensor.dtype() == DType::kU8 || tensor.dtype() == DType::kI8;
}

void expect_bytes(const Tensor& tensor, std::string_view what) {
  if (!is_byte(tensor)) fail("{} is {} where uint8 or int8 was expected", what, name(tensor.dtype()));
}

// Zero points as numbers, of the type of what they belong to; `count` of them or one, repeated. Empty without
// any.
std::vector<std::int32_t> zeros_of(const Tensor* zero, const Tensor& values, std::int64_t count,
                                   std::string_view what) {
  if (zero == nullptr) return {};
  if (zero->dtype() != values.dtype()) fail("the zero point of {} is {}", what, name(zero->dtype()));
  if (zero->count() != 1 && zero->count() != count)
    fail("{} zero points of {} where {} were expected", zero->count(), what, count);
  std::vector<std::int32_t> result;
  visit_types<std::uint8_t, std::int8_t>(zero->dtype(), [&]<typename T>() {
    const auto list = zero->data<T>();
    for (std::int64_t i = 0; i < count; ++i)
      result.push_back(list[list.size() == 1 ? 0 : static_cast<std::size_t>(i)]);
  });
  return result;
}

std::vector<float> scales_of(const Tensor& scale, std::int64_t count, std::string_view what) {
  if (scale.count() != 1 && scale.count() != count)
    fail("{} scales of {} where {} were expected", scale.count(), what, count);
  const auto list = scale.data<float>();
  std::vector<float> result;
  for (std::int64_t i = 0; i < count; ++i)
    result.push_back(list[list.size() == 1 ? 0 : static_cast<std::size_t>(i)]);
  return result;
}

bool all_zero(const std::vector<std::int32_t>& zeros) {
  return std::all_of(zeros.begin(), zeros.end(), [](std::int32_t z) { return z == 0; });
}

PackedS8 pack(const Tensor& b, const std::byte* values, std::int64_t k, std::int64_t n, const Kernels& table,
              Memory& memory, ThreadPool& pool) {
  return pack_s8(table, values, b.dtype() == DType::kU8, n, false, k, n, memory, pool);
}

// B, packed when the session is built or for one run. Batches of different B are packed one after another.
class RightSide {
 public:
  RightSide(OpNode& node, int index) : index_(index), table_(node.kernels()) {
    const Tensor* b = node.constant(index);
    if (b == nullptr || b->rank() != 2 || !is_byte(*b)) return;
    shape_ = b->shape();
    dtype_ = b->dtype();
    packed_ = pack(*b, b->bytes().data(), b->dim(0), b->dim(1), table_, node.memory(), node.pool());
    node.consumed(index);
  }

  MatMulShape shape_for(OpRun& run, const Tensor& a) const {
    if (!packed_.storage) expect_bytes(run.input(index_), "B");
    return matmul_shape(a.shape(), packed_.storage ? shape_ : run.input(index_).shape());
  }
  // A stand-in with B's type, for zero points.
  Tensor typed(OpRun& run) const { return Tensor(packed_.storage ? dtype_ : run.input(index_).dtype(), {1}); }

  // Calls product(a offset in matrices, rows, packed, output offset in rows) for parts that share one B.
  template <typename Product>
  void for_each(OpRun& run, const MatMulShape& shape, const Product& product) const {
    const auto pairs = matmul_pairs(shape);
    if (packed_.storage || element_count(shape.right_batch) == 1) {
      const PackedS8 packed = packed_.storage ? packed_ : pack_part(run, shape, 0);
      product(std::int64_t{0}, shape.m * std::ssize(pairs), packed, std::int64_t{0});
      return;
    }
    for (std::int64_t i = 0; i < std::ssize(pairs); ++i) {
      const auto [left, right] = pairs[static_cast<std::size_t>(i)];
      product(left, shape.m, pack_part(run, shape, right), i * shape.m);
    }
  }

 private:
  PackedS8 pack_part(OpRun& run, const MatMulShape& shape, std::int64_t part) const {
    const Tensor& b = run.input(index_);
    return pack(b, b.bytes().data() + part * shape.k * shape.n, shape.k, shape.n, table_, run.memory(),
                run.pool());
  }

  int index_;
  const Kernels& table_;
  PackedS8 packed_;
  Shape shape_;
  DType dtype_ = DType::kUndefined;
};

IntegerA left_side(const Tensor& a, const MatMulShape& shape, std::int64_t part, std::int64_t rows,
                   const std::vector<std::int32_t>& zeros) {
  IntegerA left;
  left.values = a.bytes().data() + part * shape.m * shape.k;
  left.is_signed = a.dtype() == DType::kI8;
  left.m = rows;
  left.stride = shape.k;
  if (zeros.size() == 1) left.zero = zeros[0];
  if (zeros.size() > 1) left.zeros = zeros.data();
  return left;
}

// A's zero points: one, or one per row of every matrix (then repeated for `rows`).
std::vector<std::int32_t> left_zeros(const Tensor* zero, const Tensor& a, const MatMulShape& shape,
                                     std::int64_t rows) {
  if (zero == nullptr || zero->count() == 1) return zeros_of(zero, a, 1, "A");
  std::vector<std::int32_t> zeros = zeros_of(zero, a, shape.m, "A");
  while (std::ssize(zeros) < rows) zeros.insert(zeros.end(), zeros.begin(), zeros.begin() + shape.m);
  return zeros;
}

RunFn make_matmul_integer(OpNode& node) {
  node.expect_inputs(2, 4);
  node.expect_outputs(1, 1);
  const auto right = std::make_shared<const RightSide>(node, 1);
  return [right](OpRun& run) {
    const Tensor& a = run.input(0);
    expect_bytes(a, "A");
    const MatMulShape shape = right->shape_for(run, a);
    const std::vector<std::int32_t> b_zeros =
        zeros_of(run.optional_input(3), right->typed(run), shape.n, "B");
    std::int32_t* c = run.output(0, DType::kI32, shape.output).mutable_data<std::int32_t>().data();
    right->for_each(
        run, shape, [&](std::int64_t part, std::int64_t rows, const PackedS8& b, std::int64_t row) {
          const std::vector<std::int32_t> a_zeros = left_zeros(run.optional_input(2), a, shape, rows);
          IntegerOutput output;
          output.c = c + row * shape.n;
          output.stride = shape.n;
          if (!all_zero(b_zeros)) output.b_zeros = b_zeros.data();
          gemm_s8(left_side(a, shape, part, rows, a_zeros), b, output, run.memory(), run.pool());
        });
  };
}

RunFn make_qlinear_matmul(OpNode& node) {
  node.expect_inputs(8, 8);
  node.expect_outputs(1, 1);
  const auto right = std::make_shared<const RightSide>(node, 3);
  return [right](OpRun& run) {
    const Tensor& a = run.input(0);
    expect_bytes(a, "A");
    const MatMulShape shape = right->shape_for(run, a);
    const std::int64_t n = shape.n;
    const float a_scale = scales_of(run.input(1), 1, "A")[0];
    const std::vector<std::int32_t> a_zeros = zeros_of(&run.input(2), a, 1, "A");
    const std::vector<float> b_scales = scales_of(run.input(4), n, "B");
    const std::vector<std::int32_t> b_zeros = zeros_of(&run.input(5), right->typed(run), n, "B");
    const float y_scale = scales_of(run.input(6), 1, "the output")[0];
    const DType target = run.input(7).dtype();
    expect_bytes(run.input(7), "the zero point of the output");
    const std::int32_t y_zero = zeros_of(&run.input(7), run.input(7), 1, "the output")[0];
    Tensor& y = run.output(0, target, shape.output);
    right->for_each(
        run, shape, [&](std::int64_t part, std::int64_t rows, const PackedS8& b, std::int64_t row) {
          Tensor sums = run.scratch(DType::kI32, {rows, n});
          std::int32_t* values = sums.mutable_data<std::int32_t>().data();
          IntegerOutput output;
          output.c = values;
          output.stride = n;
          if (!all_zero(b_zeros)) output.b_zeros = b_zeros.data();
          gemm_s8(left_side(a, shape, part, rows, a_zeros), b, output, run.memory(), run.pool());
          visit_types<std::uint8_t, std::int8_t>(target, [&]<typename T>() {
            T* out = y.mutable_data<T>().data() + row * n;
            for (std::int64_t i = 0; i < rows * n; ++i) {
              const float scale = a_scale * b_scales[static_cast<std::size_t>(i % n)] / y_scale;
              const float value =
                  std::nearbyint(static_cast<float>(values[i]) * scale) + static_cast<float>(y_zero);
              out[i] = static_cast<T>(
                  std::clamp<float>(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
            }
          });
        });
  };
}

// Shared end of the com.microsoft ops and of what fusions make: quantized A times B, as float. `scales` are
// products of those of A and B, one or one per column; `a_zeros(rows)` the zero points of so many rows of A.
template <typename Zeros>
void float_product(OpRun& run, const RightSide& right, const Tensor& a, const MatMulShape& shape,
                   const std::vector<float>& scales, const Tensor* b_zero, const Tensor* bias,
                   Activation activation, Zeros a_zeros) {
  const std::vector<std::int32_t> b_zeros = zeros_of(b_zero, right.typed(run), shape.n, "B");
  if (bias != nullptr) expect_shape(*bias, {shape.n}, "the bias");
  float* c = run.output(0, DType::kF32, shape.output).mutable_data<float>().data();
  right.for_each(run, shape, [&](std::int64_t part, std::int64_t rows, const PackedS8& b, std::int64_t row) {
    const std::vector<std::int32_t> zeros = a_zeros(rows);
    IntegerOutput output;
    output.c = c + row * shape.n;
    output.stride = shape.n;
    if (!all_zero(b_zeros)) output.b_zeros = b_zeros.data();
    output.scales = scales.data();
    if (bias != nullptr) output.bias = bias->data<float>().data();
    output.activation = activation;
    gemm_s8(left_side(a, shape, part, rows, zeros), b, output, run.memory(), run.pool());
  });
}

// Scales of B times the one of A.
std::vector<float> scale_products(const Tensor& b_scale, std::int64_t columns, float a_scale) {
  std::vector<float> scales = scales_of(b_scale, columns, "B");
  for (float& scale : scales) scale *= a_scale;
  return scales;
}

RunFn make_matmul_integer_to_float(OpNode& node) {
  node.expect_inputs(4, 7);
  node.expect_outputs(1, 1);
  const Activation activation = activation_of(node);
  const auto right = std::make_shared<const RightSide>(node, 1);
  return [right, activation](OpRun& run) {
    const Tensor& a = run.input(0);
    expect_bytes(a, "A");
    const MatMulShape shape = right->shape_for(run, a);
    const std::vector<float> scales =
        scale_products(run.input(3), shape.n, scales_of(run.input(2), 1, "A")[0]);
    float_product(run, *right, a, shape, scales, run.optional_input(5), run.optional_input(6), activation,
                  [&](std::int64_t) { return zeros_of(run.optional_input(4), a, 1, "A"); });
  };
}

// What a fusion makes of MatMulInteger, Cast, Mul and Add: inputs are A, B, their zero points, the product of
// their scales (one, or one per column) and a bias.
RunFn make_fused_integer(OpNode& node) {
  node.expect_inputs(2, 6);  // the zero points may be left out
  if (!node.has_input(4)) fail("input 4 is missing");
  node.expect_outputs(1, 1);
  const Activation activation = activation_of(node);
  const auto right = std::make_shared<const RightSide>(node, 1);
  return [right, activation](OpRun& run) {
    const Tensor& a = run.input(0);
    expect_bytes(a, "A");
    const MatMulShape shape = right->shape_for(run, a);
    const std::vector<float> scales = scales_of(run.input(4), shape.n, "the product");
    float_product(run, *right, a, shape, scales, run.optional_input(3), run.optional_input(5), activation,
                  [&](std::int64_t rows) { return left_zeros(run.optional_input(2), a, shape, rows); });
  };
}

RunFn make_dynamic_quantize_matmul(OpNode& node) {
  node.expect_inputs(3, 5);
  node.expect_outputs(1, 1);
  const auto right = std::make_shared<const RightSide>(node, 1);
  return [right, &table = node.kernels()](OpRun& run) {
    const Tensor& x = run.input(0);
    const MatMulShape shape = right->shape_for(run, x);
    const DynamicRange range = dynamic_range(x.data<float>(), table, run.pool());
    Tensor a = run.scratch(DType::kU8, x.shape());
    std::uint8_t* codes = a.mutable_data<std::uint8_t>().data();
    const float* in = x.data<float>().data();
    parallel_pieces(run.pool(), x.count(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      table.vector.quantize_u8(in + begin, range.scale, range.zero, codes + begin, end - begin);
    });
    const std::vector<float> scales = scale_products(run.input(2), shape.n, range.scale);
    float_product(run, *right, a, shape, scales, run.optional_input(3), run.optional_input(4),
                  Activation::kNone, [&](std::int64_t) { return std::vector<std::int32_t>{range.zero}; });
  };
}

// y = quantized or float of alpha * (A' B' + C), with C as int32 in units of a_scale * b_scale.
RunFn make_qgemm(OpNode& node) {
  node.expect_inputs(6, 9);
  node.expect_outputs(1, 1);
  const float alpha = node.real("alpha", 1.0f);
  const bool transpose_a = node.flag("transA", false);
  const bool transpose_b = node.flag("transB", false);
  return [=, &table = node.kernels()](OpRun& run) {
    const Tensor& a = run.input(0);
    const Tensor& b = run.input(3);
    expect_bytes(a, "A");
    expect_bytes(b, "B");
    expect_rank(a, 2, "A");
    expect_rank(b, 2, "B");
    const std::int64_t m = a.dim(transpose_a ? 1 : 0);
    const std::int64_t k = a.dim(transpose_a ? 0 : 1);
    const std::int64_t n = b.dim(transpose_b ? 0 : 1);
    if (b.dim(transpose_b ? 1 : 0) != k)
      fail("shapes {} and {} do not multiply", to_string(a.shape()), to_string(b.shape()));
    Tensor turned = run.scratch(a.dtype(), {m, k});
    auto rows = turned.mutable_bytes();
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t p = 0; p < k; ++p) {
        rows[static_cast<std::size_t>(i * k + p)] =
            a.bytes()[static_cast<std::size_t>(transpose_a ? p * m + i : i * k + p)];
      }
    }
    const PackedS8 packed = pack_s8(table, b.bytes().data(), b.dtype() == DType::kU8, b.dim(1), transpose_b,
                                    k, n, run.memory(), run.pool());
    const MatMulShape shape = matmul_shape({m, k}, {k, n});
    const std::vector<std::int32_t> b_zeros = zeros_of(run.optional_input(5), b, n, "B");
    Tensor sums = run.scratch(DType::kI32, {m, n});
    std::int32_t* values = sums.mutable_data<std::int32_t>().data();
    IntegerOutput output;
    output.c = values;
    output.stride = n;
    if (!all_zero(b_zeros)) output.b_zeros = b_zeros.data();
    gemm_s8(left_side(turned, shape, 0, m, zeros_of(run.optional_input(2), a, 1, "A")), packed, output,
            run.memory(), run.pool());
    const float a_scale = scales_of(run.input(1), 1, "A")[0];
    const std::vector<float> b_scales = scales_of(run.input(4), n, "B");
    const Tensor* c = run.optional_input(6);
    if (c != nullptr && c->count() != 1 && c->count() != n && c->count() != m * n &&
        c->shape() != Shape{m, 1}) {
      fail("C of shape {} for a product of {}", to_string(c->shape()), to_string(shape.output));
    }
    const auto added = [&](std::int64_t i, std::int64_t j) -> std::int64_t {
      if (c == nullptr) return 0;
      const auto list = c->data<std::int32_t>();
      const bool column = c->shape() == Shape{m, 1} && m != 1;
      return list[static_cast<std::size_t>(list.size() == 1  ? 0
                                           : column          ? i
                                           : c->count() == n ? j
                                                             : i * n + j)];
    };
    const Tensor* y_zero = run.optional_input(8);
    const auto product = [&](std::int64_t i, std::int64_t j) {
      return static_cast<float>(values[i * n + j] + added(i, j)) *
             (alpha * a_scale * b_scales[static_cast<std::size_t>(j)]);
    };
    if (!run.has_input(7)) {
      float* out = run.output(0, DType::kF32, {m, n}).mutable_data<float>().data();
      for (std::int64_t i = 0; i < m * n; ++i) out[i] = product(i / n, i % n);
      return;
    }
    const float y_scale = scales_of(run.input(7), 1, "the output")[0];
    const DType target = y_zero != nullptr ? y_zero->dtype() : DType::kU8;
    const std::vector<std::int32_t> zero =
        y_zero != nullptr ? zeros_of(y_zero, *y_zero, 1, "the output") : std::vector<std::int32_t>{0};
    Tensor& y = run.output(0, target, {m, n});
    visit_types<std::uint8_t, std::int8_t>(target, [&]<typename T>() {
      T* out = y.mutable_data<T>().data();
      for (std::int64_t i = 0; i < m * n; ++i) {
        const float value = std::nearbyint(product(i / n, i % n) / y_scale) + static_cast<float>(zero[0]);
        out[i] = static_cast<T>(
            std::clamp<float>(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
      }
    });
  };
}

}  // namespace

std::span<const OpDef> matmul_integer_ops() {
  static constexpr OpDef kOps[] = {
      {"", "MatMulInteger", 10, make_matmul_integer},
      {"", "QLinearMatMul", 10, make_qlinear_matmul},
      {kInternalDomain, "MatMulInteger", 1, make_fused_integer},
      {kInternalDomain, "MatMulIntegerToFloat", 1, make_matmul_integer_to_float},
      {"com.microsoft", "DynamicQuantizeMatMul", 1, make_dynamic_quantize_matmul},
      {"com.microsoft", "MatMulIntegerToFloat", 1, make_matmul_integer_to_float},
      {"com.microsoft", "QGemm", 1, make_qgemm},
  };
  return kOps;
}

}  // namespace bantam
