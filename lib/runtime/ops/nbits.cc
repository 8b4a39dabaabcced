// Weights of 2, 4 and 8 bits in blocks: MatMulNBits and GatherBlockQuantized.
#include "runtime/fuse.h"
#include "runtime/kernels/gemm_nbits.h"
#include "runtime/ops/activation.h"
#include "runtime/ops/common.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/packed.h"

namespace bantam {
namespace {

struct NbitsAttributes {
  std::int64_t k, n, block;
  int bits;
  bool int8_activations;
  Activation activation;
};

int checked_bits(std::int64_t bits) {
  if (bits != 2 && bits != 4 && bits != 8) fail("{} bits where 2, 4 or 8 were expected", bits);
  return static_cast<int>(bits);
}

void check_block(std::int64_t block) {
  if (block < 16 || block > (1 << 20) || (block & (block - 1)) != 0)
    fail("block_size {} is no power of 2 from 16 on", block);
}

// Weight, scales and zero points checked against the attributes.
PackedNbits pack(const NbitsAttributes& attributes, const Tensor& codes, const Tensor& scales,
                 const Tensor* zeros, const Kernels& table, Memory& memory, ThreadPool& pool) {
  NbitsWeight weight;
  weight.bits = attributes.bits;
  weight.k = attributes.k;
  weight.n = attributes.n;
  weight.block = attributes.block;
  const std::int64_t blocks = weight.blocks();
  const std::int64_t code_bytes = attributes.block * attributes.bits / 8;
  expect_shape(codes, {attributes.n, blocks, code_bytes}, "B");
  weight.codes = codes.data<std::uint8_t>().data();
  if (scales.count() != attributes.n * blocks)
    fail("{} scales where {} were expected", scales.count(), attributes.n * blocks);
  weight.scales = scales.data<float>().data();
  if (zeros != nullptr && zeros->dtype() == DType::kU8) {
    const std::int64_t expected = attributes.n * ceil_div(blocks * attributes.bits, 8);
    if (zeros->count() != expected)
      fail("{} bytes of zero points where {} were expected", zeros->count(), expected);
    weight.zero_codes = zeros->data<std::uint8_t>().data();
  } else if (zeros != nullptr) {
    if (zeros->count() != attributes.n * blocks)
      fail("{} zero points where {} were expected", zeros->count(), attributes.n * blocks);
    weight.zeros = zeros->data<float>().data();
  }
  return pack_nbits(table, weight, memory, pool);
}

bool wants_int8(OpNode& node) {
  const std::int64_t level = node.integer("accuracy_level", 0);
  if (level < 0 || level > 4) fail("accuracy_level {} is not known", level);
  if (node.options().nbits == NbitsMode::kAsDeclared) return level == 4;
  return node.options().nbits == NbitsMode::kInt8;
}

RunFn make_matmul_nbits(OpNode& node) {
  node.expect_inputs(3, 6);
  node.expect_outputs(1, 1);
  NbitsAttributes attributes = {node.integer("K"),          node.integer("N"),
                                node.integer("block_size"), checked_bits(node.integer("bits", 4)),
                                wants_int8(node),           activation_of(node)};
  if (attributes.k < 1 || attributes.k > INT32_MAX || attributes.n < 1 || attributes.n > INT32_MAX)
    fail("K {} and N {} are not possible", attributes.k, attributes.n);
  check_block(attributes.block);
  if (node.integer("weight_prepacked", 0) != 0) fail("prepacked weights are not supported");
  if (node.has_input(4)) fail("g_idx is not supported");
  PackedNbits packed;
  const Tensor* codes = node.constant(1);
  const Tensor* scales = node.constant(2);
  const Tensor* zeros = node.constant(3);
  if (codes != nullptr && scales != nullptr && (zeros != nullptr || !node.has_input(3))) {
    packed = pack(attributes, *codes, *scales, zeros, node.kernels(), node.memory(), node.pool());
    for (const int input : {1, 2, 3}) {
      if (node.has_input(input)) node.consumed(input);
    }
  }
  return [=, &table = node.kernels()](OpRun& run) {
    const Tensor& a = run.input(0);
    if (a.rank() < 1 || a.shape().back() != attributes.k)
      fail("A of shape {} for a weight of {} rows", to_string(a.shape()), attributes.k);
    const PackedNbits weight = packed.storage ? packed
                                              : pack(attributes, run.input(1), run.input(2),
                                                     run.optional_input(3), table, run.memory(), run.pool());
    Epilogue epilogue;
    epilogue.activation = attributes.activation;
    if (const Tensor* bias = run.optional_input(5)) {
      expect_shape(*bias, {attributes.n}, "the bias");
      epilogue.bias = bias->data<float>().data();
    }
    const std::int64_t m = a.count() / attributes.k;
    const float* in = a.data<float>().data();
    Tensor rounded;
    if (attributes.int8_activations) {
      rounded = run.scratch(DType::kF32, a.shape());
      round_activations(in, m, attributes.k, attributes.block, rounded.mutable_data<float>().data(),
                        run.pool());
      in = rounded.data<float>().data();
    }
    Shape shape = a.shape();
    shape.back() = attributes.n;
    float* c = run.output(0, DType::kF32, std::move(shape)).mutable_data<float>().data();
    gemm_nbits(m, in, attributes.k, weight, c, attributes.n, epilogue, run.memory(), run.pool());
  };
}

struct GatherAttributes {
  std::int64_t gather_axis, quantize_axis, block;
  int bits;
};

// Codes that lie packed, low bits first; int4 is signed.
struct Codes {
  const std::uint8_t* bytes;
  int bits;
  bool is_signed;

  int at(std::int64_t index) const {
    const std::int64_t bit = index * bits;
    const int code = bytes[bit / 8] >> (bit % 8) & ((1 << bits) - 1);
    return is_signed && code >= 8 ? code - 16 : code;
  }
};

Codes codes_of(const Tensor& tensor, int bits) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(tensor.bytes().data());
  if (tensor.dtype() == DType::kU8) return {bytes, bits, false};
  if (tensor.dtype() == DType::kU4 || tensor.dtype() == DType::kI4)
    return {bytes, 4, tensor.dtype() == DType::kI4};
  fail("data of type {} where uint8, uint4 or int4 was expected", name(tensor.dtype()));
}

void gather_block_quantized(OpRun& run, const GatherAttributes& attributes) {
  const Tensor& data = run.input(0);
  const Tensor& indices = run.input(1);
  const Tensor& scales = run.input(2);
  const Tensor* zeros = run.optional_input(3);
  const bool bytes = data.dtype() == DType::kU8;
  const Codes codes = codes_of(data, attributes.bits);
  Shape logical = data.shape();
  if (logical.empty()) fail("data without axes");
  const int gather_axis = checked_axis(attributes.gather_axis, data.rank());
  const int quantize_axis = checked_axis(attributes.quantize_axis, data.rank());
  if (bytes) {
    if (gather_axis != 0 || quantize_axis != data.rank() - 1)
      fail("uint8 data is gathered along axis 0 and quantized along the last");
    logical.back() *= 8 / attributes.bits;
  }
  const auto q = static_cast<std::size_t>(quantize_axis);
  const std::int64_t blocks = ceil_div(logical[q], attributes.block);
  Shape expected = logical;
  expected[q] = blocks;
  expect_shape(scales, expected, "scales");
  Shape zero_shape = expected;
  if (bytes) zero_shape.back() = ceil_div(blocks * attributes.bits, 8);
  std::optional<Codes> zero_codes;
  if (zeros != nullptr) {
    expect_shape(*zeros, zero_shape, "zero_points");
    if (zeros->dtype() != data.dtype())
      fail("zero_points of {} for data of {}", name(zeros->dtype()), name(data.dtype()));
    zero_codes = codes_of(*zeros, attributes.bits);
  }
  const int default_zero = bytes ? 1 << (attributes.bits - 1) : 0;
  const std::int64_t dim = logical[static_cast<std::size_t>(gather_axis)];
  std::vector<std::int64_t> rows = to_integers(indices);
  for (std::int64_t& row : rows) {
    if (row < -dim || row >= dim) {
      row = -1;  // by its definition the op gives zeros there
    } else if (row < 0) {
      row += dim;
    }
  }
  Shape shape(logical.begin(), logical.begin() + gather_axis);
  shape.insert(shape.end(), indices.shape().begin(), indices.shape().end());
  shape.insert(shape.end(), logical.begin() + gather_axis + 1, logical.end());
  float* out = run.output(0, DType::kF32, std::move(shape)).mutable_data<float>().data();
  const float* scale = scales.data<float>().data();
  const int rank = data.rank();
  const std::int64_t inner = product(logical, gather_axis + 1, rank);
  const std::int64_t q_inner = product(logical, quantize_axis + 1, rank);
  const std::int64_t q_dim = logical[q];
  const std::int64_t zero_row = bytes ? zero_shape.back() * 8 / attributes.bits : blocks;
  const std::int64_t total = product(logical, 0, gather_axis) * std::ssize(rows);
  parallel_pieces(run.pool(), total, kElementGrain / std::max<std::int64_t>(inner, 1),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t item = begin; item < end; ++item) {
                      const std::int64_t index = rows[static_cast<std::size_t>(item % std::ssize(rows))];
                      if (index < 0) {
                        std::fill_n(out + item * inner, inner, 0.0f);
                        continue;
                      }
                      const std::int64_t row = item / std::ssize(rows) * dim + index;
                      for (std::int64_t i = 0; i < inner; ++i) {
                        const std::int64_t at = row * inner + i;
                        const std::int64_t line = at / q_inner / q_dim;
                        const std::int64_t block = at / q_inner % q_dim / attributes.block;
                        const int zero =
                            zero_codes ? zero_codes->at((line * zero_row + block) * q_inner + at % q_inner)
                                       : default_zero;
                        out[item * inner + i] = static_cast<float>(codes.at(at) - zero) *
                                                scale[(line * blocks + block) * q_inner + at % q_inner];
                      }
                    }
                  });
}

RunFn make_gather_block_quantized(OpNode& node) {
  node.expect_inputs(3, 4);
  node.expect_outputs(1, 1);
  const GatherAttributes attributes = {node.integer("gather_axis", 0), node.integer("quantize_axis", 1),
                                       node.integer("block_size", 128),
                                       checked_bits(node.integer("bits", 4))};
  check_block(attributes.block);
  return [=](OpRun& run) { gather_block_quantized(run, attributes); };
}

}  // namespace

std::span<const OpDef> nbits_ops() {
  static constexpr OpDef kOps[] = {
      {kInternalDomain, "MatMulNBits", 1, make_matmul_nbits},
      {"com.microsoft", "GatherBlockQuantized", 1, make_gather_block_quantized},
      {"com.microsoft", "MatMulNBits", 1, make_matmul_nbits},
  };
  return kOps;
}

}  // namespace bantam
