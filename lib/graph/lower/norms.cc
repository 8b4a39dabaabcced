// Norms that onnxruntime has beyond ONNX's LayerNormalization. All of them are computed in float32: sums of
// squares leave the range of float16 long before the values do.
#include "base/error.h"
#include "graph/lower/lowering.h"

namespace bantam {
namespace {

// x / sqrt(mean(x^2) + epsilon) * gain over the last axis (RMSNorm, arXiv:1910.07467), in the steps that
// onnxruntime's optimizer knows and puts together again. `x` is float32.
void write_rms_norm(Lowering& to, ValueId target, ValueId x, ValueId gain, float epsilon) {
  GraphBuilder& builder = to.builder();
  const ValueId square = to.op("Pow", {x, builder.scalar(2.0F)});
  const ValueId mean = to.op("ReduceMean", {square, builder.constant({-1})}, {{"keepdims", std::int64_t{1}}});
  const ValueId root = to.op("Sqrt", {to.op("Add", {mean, builder.scalar(epsilon)})});
  const ValueId wide = to.wide(gain);
  const ValueId normed = to.op("Div", {x, root});
  to.write_as(target, to.op("Mul", {normed, wide}));
}

// input + skip (+ bias), which is output 3 too, in float32.
ValueId add_skip(Lowering& to, const Node& node, std::size_t bias_index) {
  if (output(node, 1) != kNoValue || output(node, 2) != kNoValue)
    fail("mean and deviation are not covered here");
  const ValueId x = to.wide(input(node, 0));
  const ValueId skip = to.wide(input(node, 1));
  ValueId sum = to.op("Add", {x, skip});
  if (const ValueId bias = input(node, bias_index); bias != kNoValue) {
    const ValueId wide = to.wide(bias);
    sum = to.op("Add", {sum, wide});
  }
  const ValueId shared = output(node, 3);
  if (shared == kNoValue) return sum;
  to.write_as(shared, sum);
  return to.dtype(shared) == DType::kF32 ? shared : sum;
}

}  // namespace

void lower_rms_norm(Lowering& to, const Node& node) {
  expect_attributes(node, {"axis", "epsilon", "stash_type"});
  expect_integer(node, "axis", -1, -1);
  expect_integer(node, "stash_type", 1, 1);
  if (output(node, 1) != kNoValue) fail("the inverse deviation is not covered here");
  write_rms_norm(to, output(node, 0), to.wide(input(node, 0)), input(node, 1), real(node, "epsilon", 1e-5F));
}

void lower_skip_rms_norm(Lowering& to, const Node& node) {
  expect_attributes(node, {"epsilon"});
  const ValueId sum = add_skip(to, node, 3);
  write_rms_norm(to, output(node, 0), sum, input(node, 2), real(node, "epsilon", 1e-12F));
}

void lower_skip_layer_norm(Lowering& to, const Node& node) {
  expect_attributes(node, {"epsilon"});
  const ValueId sum = add_skip(to, node, 4);
  const ValueId gain = to.wide(input(node, 2));
  const std::vector<Attribute> attributes = {{"axis", std::int64_t{-1}},
                                             {"epsilon", real(node, "epsilon", 1e-12F)}};
  if (input(node, 3) == kNoValue) {
    to.write_as(output(node, 0), to.op("LayerNormalization", {sum, gain}, attributes));
  } else {
    const ValueId bias = to.wide(input(node, 3));
    to.write_as(output(node, 0), to.op("LayerNormalization", {sum, gain, bias}, attributes));
  }
}

}  // namespace bantam
