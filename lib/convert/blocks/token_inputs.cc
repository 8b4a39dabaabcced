#include "convert/blocks/token_inputs.h"

#include <limits>

namespace bantam {
namespace {

// The axis names that transformers.js and optimum use.
std::vector<Dim> dims() {
  return {Dim::named("batch_size"), Dim::named("sequence_length")};
}

}  // namespace

TokenInputs::TokenInputs(const Module& root, TokenTypes token_types) : root_(root) {
  GraphBuilder& builder = root_.builder();
  ids_ = builder.input("input_ids", DType::kI64, dims());
  mask_ = builder.input("attention_mask", DType::kI64, dims());
  if (token_types == TokenTypes::kInput) types_ = builder.input("token_type_ids", DType::kI64, dims());
}

ValueId TokenInputs::shape(const std::vector<std::int64_t>& tail) {
  return shapes_.shape(root_, ids_, tail);
}

ValueId TokenInputs::range() {
  if (range_ != kNoValue) return range_;
  GraphBuilder& builder = root_.builder();
  const ValueId length = root_.op("Gather", {shape({}), builder.scalar(std::int64_t{1})});
  range_ = root_.op("Range", {builder.scalar(std::int64_t{0}), length, builder.scalar(std::int64_t{1})});
  return range_;
}

ValueId positions_after_padding(const Module& module, const TokenInputs& inputs, std::int64_t padding_id) {
  GraphBuilder& builder = module.builder();
  const ValueId pad = builder.scalar(padding_id);
  const ValueId padding = module.op("Equal", {inputs.ids(), pad}, {}, DType::kBool);
  const ValueId token = module.op("Cast", {module.op("Not", {padding})},
                                  {{"to", std::int64_t{info(DType::kI64).onnx}}}, DType::kI64);
  const ValueId count = module.op("CumSum", {token, builder.scalar(std::int64_t{1})});
  return module.op("Add", {module.op("Mul", {count, token}), pad});
}

ValueId attention_bias(const Module& root, const TokenInputs& inputs) {
  const Module module = root / "attention_mask";
  GraphBuilder& builder = module.builder();
  const float lowest = std::numeric_limits<float>::lowest();
  const ValueId masked =
      builder.constant(TensorData{DType::kF32, {}, bytes_of(std::span(&lowest, 1)), {}}, "mask_lowest");
  const ValueId attended =
      module.op("Cast", {inputs.mask()}, {{"to", std::int64_t{info(DType::kBool).onnx}}}, DType::kBool);
  const ValueId bias = module.op("Where", {attended, builder.scalar(0.0F), masked}, {}, DType::kF32);
  return module.op("Unsqueeze", {bias, builder.constant({1, 2})});
}

ValueId by_sequence(const Module& module, TokenInputs& inputs, ValueId rows, std::int64_t width) {
  return module.op("Reshape", {rows, inputs.shape({width})});
}

ValueId by_row(const Module& module, ValueId x, std::int64_t width) {
  return module.op("Reshape", {x, module.builder().constant({-1, width})});
}

ValueId first_token(const Module& module, TokenInputs& inputs, ValueId rows, std::int64_t width) {
  const ValueId first = module.builder().scalar(std::int64_t{0});
  return module.op("Gather", {by_sequence(module, inputs, rows, width), first}, {{"axis", std::int64_t{1}}});
}

}  // namespace bantam
