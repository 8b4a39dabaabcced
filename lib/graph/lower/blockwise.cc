// MatMulNBits and GatherBlockQuantized of com.microsoft, w = (code - zero point) * scale in blocks along a
// row, with the DequantizeLinear of opset 21, which has blocks too. Codes keep their bits in the file.
#include "base/error.h"
#include "graph/lower/lowering.h"

namespace bantam {
namespace {

std::int64_t middle(const BlockWeight& weight) {
  return std::int64_t{1} << (weight.bits - 1);
}

// Codes of four bits out of floats 0..255, [..., bytes] -> [..., bytes, 2], low ones first.
ValueId nibbles(Lowering& to, ValueId bytes) {
  GraphBuilder& builder = to.builder();
  const ValueId high = to.op("Floor", {to.op("Mul", {bytes, builder.scalar(1.0F / 16.0F)})});
  const ValueId low = to.op("Sub", {bytes, to.op("Mul", {high, builder.scalar(16.0F)})});
  const ValueId last = builder.constant({-1});
  const ValueId first = to.op("Unsqueeze", {low, last});
  const ValueId second = to.op("Unsqueeze", {high, last});
  return to.op("Concat", {first, second}, {{"axis", std::int64_t{-1}}});
}

// Rows of bytes taken apart into floats: [..., bytes per row] under the axes `leading` (their sizes, int64).
class Rows {
 public:
  Rows(Lowering& to, const BlockWeight& weight, ValueId leading)
      : to_(to), weight_(weight), leading_(leading) {}

  // float32 [..., width], width that of the codes. `low`: of BlockForm::kDigits.
  ValueId decode(ValueId codes, ValueId low, ValueId scales, ValueId zeros) {
    ValueId zero = to_.builder().scalar(static_cast<float>(middle(weight_)));
    if (zeros != kNoValue)
      zero = spread(first(flat(zeros), weight_.blocks));  // rows of nibbles end in whole bytes
    const ValueId step = spread(to_.wide(scales));
    ValueId code = flat(codes);
    if (low != kNoValue) {
      const ValueId high = to_.op("Mul", {code, to_.builder().scalar(16.0F)});
      code = to_.op("Add", {high, flat(low)});
    }
    const ValueId centred = to_.op("Sub", {code, zero});
    return to_.op("Mul", {centred, step});
  }

 private:
  ValueId shaped(ValueId x, std::initializer_list<std::int64_t> tail) {
    const ValueId shape =
        to_.op("Concat", {leading_, to_.builder().constant(tail)}, {{"axis", std::int64_t{0}}});
    return to_.op("Reshape", {x, shape});
  }
  // The codes of a row as floats, one after the other.
  ValueId flat(ValueId bytes) {
    const ValueId floats = to_.builder().cast(bytes, DType::kF32);
    const bool packed = weight_.bits == 4 || weight_.form == BlockForm::kDigits;
    return shaped(packed ? nibbles(to_, floats) : floats, {-1});
  }
  ValueId first(ValueId x, std::int64_t count) {
    GraphBuilder& builder = to_.builder();
    return to_.op("Slice", {x, builder.constant({0}), builder.constant({count}), builder.constant({-1})});
  }
  // One number for each block, [..., blocks], to one for each element.
  ValueId spread(ValueId x) {
    GraphBuilder& builder = to_.builder();
    const ValueId column = to_.op("Unsqueeze", {x, builder.constant({-1})});
    const ValueId shape = to_.op("Concat", {leading_, builder.constant({weight_.blocks, weight_.block})},
                                 {{"axis", std::int64_t{0}}});
    return first(shaped(to_.op("Expand", {column, shape}), {-1}), weight_.width);
  }

  Lowering& to_;
  const BlockWeight& weight_;
  ValueId leading_;
};

// DequantizeLinear along the last axis, in the type of the scales.
ValueId dequantized(Lowering& to, const BlockWeight& weight, ValueId codes, ValueId scales, ValueId zeros) {
  const std::vector<Attribute> attributes = {{"axis", std::int64_t{-1}}, {"block_size", weight.block}};
  return zeros == kNoValue ? to.op("DequantizeLinear", {codes, scales}, attributes, to.dtype(scales))
                           : to.op("DequantizeLinear", {codes, scales, zeros}, attributes, to.dtype(scales));
}

// The zero points of 8-bit codes, as stored or all in the middle: uint8 of the scales' shape.
ValueId byte_zeros(Lowering& to, ValueId zeros, ValueId scales) {
  if (zeros != kNoValue) return zeros;
  const ValueId middle = to.builder().constant(TensorData{DType::kU8, {}, {std::byte{128}}, {}}, "u8_128");
  return to.op("Expand", {middle, to.op("Shape", {scales}, {}, DType::kI64)}, {}, DType::kU8);
}

// The weight [rows, K] in the type of the scales.
ValueId matrix(Lowering& to, const BlockWeight& weight, ValueId scales, std::int64_t width) {
  GraphBuilder& builder = to.builder();
  ValueId whole = kNoValue;
  if (weight.form != BlockForm::kBytes) {
    whole = dequantized(to, weight, weight.codes, scales, weight.zero_points);
  } else if (weight.bits == 8) {
    whole = dequantized(to, weight, weight.codes, scales, byte_zeros(to, weight.zero_points, scales));
  } else {
    whole = Rows(to, weight, builder.constant({weight.rows}))
                .decode(weight.codes, kNoValue, scales, weight.zero_points);
    if (to.dtype(scales) != DType::kF32) whole = builder.cast(whole, to.dtype(scales));
  }
  if (width == weight.blocks * weight.block) return whole;
  return to.op("Slice", {whole, builder.constant({0}), builder.constant({width}), builder.constant({1})});
}

// code - 128 = 16 (high - 8) + low: an 8-bit weight as the sum of two 4-bit ones, exactly. The factor comes
// last: scales that are computed, in float16, make the MatMulNBits of onnxruntime 1.21 read what is not
// there.
void write_digits(Lowering& to, const Node& node, const BlockWeight& weight, std::int64_t width) {
  const ValueId x = input(node, 0), scales = input(node, 2);
  const auto multiply = [&](ValueId codes, ValueId zeros, ValueId bias) {
    std::vector<ValueId> inputs = {x, codes, scales, zeros, kNoValue, bias};
    while (inputs.back() == kNoValue) inputs.pop_back();
    return to.builder().op_many(
        "MatMulNBits", inputs, 1,
        {{"K", width}, {"N", weight.rows}, {"bits", std::int64_t{4}}, {"block_size", weight.block}},
        DType::kUndefined, kMicrosoft)[0];
  };
  const ValueId zeros =
      to.op("ConstantOfShape", {to.builder().constant({weight.rows, (weight.blocks + 1) / 2})},
            {{"value", TensorData{DType::kU8, {1}, {std::byte{0}}, {}}}}, DType::kU8);
  const ValueId low = multiply(weight.low, zeros, input(node, 5));
  const ValueId high = multiply(weight.codes, kNoValue, kNoValue);
  to.write(output(node, 0), "Add", {to.op("Mul", {high, to.scalar(16.0F, high)}), low});
}

}  // namespace

void lower_matmul_nbits(Lowering& to, const Node& node) {
  expect_attributes(node, {"K", "N", "bits", "block_size", "accuracy_level"});
  expect_omitted(node, 4, "g_idx");
  const BlockWeight& weight = to.weights().of(node);
  const std::int64_t width = integer(node, "K", 0);
  if (integer(node, "N", 0) != weight.rows || width < 1 || width > weight.blocks * weight.block) {
    fail("K and N are not those of the weight");
  }
  if (weight.form == BlockForm::kDigits) return write_digits(to, node, weight, width);
  const Value& x = to.graph().value(input(node, 0));
  if (x.has_dims && x.dims.size() != 2) fail("{} axes of its input; two are covered here", x.dims.size());
  const ValueId matrix_value = matrix(to, weight, input(node, 2), width);
  const std::vector<Attribute> attributes = {{"transB", std::int64_t{1}}};
  if (input(node, 5) == kNoValue) {
    to.write(output(node, 0), "Gemm", {input(node, 0), matrix_value}, attributes);
  } else {
    to.write(output(node, 0), "Gemm", {input(node, 0), matrix_value, input(node, 5)}, attributes);
  }
}

void lower_gather_block_quantized(Lowering& to, const Node& node) {
  expect_attributes(node, {"bits", "block_size", "gather_axis", "quantize_axis"});
  expect_integer(node, "gather_axis", 0, 0);
  const std::int64_t axis = integer(node, "quantize_axis", 1);
  if (axis != 1 && axis != -1) fail("quantize_axis is {}; only 1 is covered here", axis);
  const BlockWeight& weight = to.weights().of(node);
  const ValueId ids = input(node, 1), target = output(node, 0), scales_table = input(node, 2);
  const ValueId codes = to.op("Gather", {weight.codes, ids}, {}, to.dtype(weight.codes));
  const ValueId scales = to.op("Gather", {scales_table, ids}, {}, to.dtype(scales_table));
  ValueId zeros = kNoValue;
  if (weight.zero_points != kNoValue) {
    zeros = to.op("Gather", {weight.zero_points, ids}, {}, to.dtype(weight.zero_points));
  }
  if (weight.bits == 4 || weight.form == BlockForm::kDigits) {
    ValueId low = kNoValue;
    if (weight.low != kNoValue) low = to.op("Gather", {weight.low, ids}, {}, DType::kU8);
    Rows rows(to, weight, to.op("Shape", {ids}, {}, DType::kI64));
    to.write_as(target, rows.decode(codes, low, scales, zeros));
    return;
  }
  if (weight.form == BlockForm::kBytes) zeros = byte_zeros(to, zeros, scales);
  to.write_as(target, dequantized(to, weight, codes, scales, zeros));
}

}  // namespace bantam
