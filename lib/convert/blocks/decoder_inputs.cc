#include "convert/blocks/decoder_inputs.h"

#include <limits>

#include "base/error.h"

namespace bantam {
namespace {

Dim batch_dim() {
  return Dim::named("batch_size");
}

// A value that half precision has no room for.
ValueId exact(const Module& module, ValueId value) {
  module.builder().graph().value(value).precision = Precision::kFloat32;
  return value;
}

}  // namespace

DecoderInputs::DecoderInputs(const Module& root) : root_(root) {
  GraphBuilder& builder = root_.builder();
  const std::vector<Dim> dims = {batch_dim(), Dim::named("sequence_length")};
  ids_ = builder.input("input_ids", DType::kI64, dims);
  mask_ = builder.input("attention_mask", DType::kI64,
                        {batch_dim(), Dim::named("past_sequence_length + sequence_length")});
  positions_ = builder.input("position_ids", DType::kI64, dims);
  keep_ = builder.input("num_logits_to_keep", DType::kI64, {});
}

CacheInputs DecoderInputs::cache(std::int64_t layer, std::int64_t heads, std::int64_t size) const {
  GraphBuilder& builder = root_.builder();
  const auto declare = [&](std::string_view what) {
    const ValueId value =
        builder.input(fmt::format("past_key_values.{}.{}", layer, what), DType::kF32,
                      {batch_dim(), Dim::fixed(heads), Dim::named("past_sequence_length"), Dim::fixed(size)});
    builder.graph().value(value).precision = Precision::kFollow;
    return value;
  };
  const ValueId key = declare("key");
  return {key, declare("value")};
}

ValueId DecoderInputs::shape(const std::vector<std::int64_t>& tail) {
  return shapes_.shape(root_, ids_, tail);
}

ValueId DecoderInputs::batch() {
  if (batch_ == kNoValue) batch_ = root_.op("Gather", {shape({}), root_.builder().constant({0})});
  return batch_;
}

ValueId DecoderInputs::length() {
  if (length_ == kNoValue) length_ = root_.op("Gather", {shape({}), root_.builder().scalar(std::int64_t{1})});
  return length_;
}

ValueId DecoderInputs::total() {
  if (total_ == kNoValue) {
    const ValueId shape = root_.op("Shape", {mask_}, {}, DType::kI64);
    total_ = root_.op("Gather", {shape, root_.builder().scalar(std::int64_t{1})});
  }
  return total_;
}

ValueId DecoderInputs::total_length() {
  if (total_length_ == kNoValue) total_length_ = root_.builder().cast(total(), DType::kI32);
  return total_length_;
}

ValueId DecoderInputs::last_key() {
  if (last_key_ == kNoValue) {
    GraphBuilder& builder = root_.builder();
    const ValueId last = root_.op("Sub", {total(), builder.scalar(std::int64_t{1})});
    last_key_ = root_.op("Expand", {builder.cast(last, DType::kI32), batch()});
  }
  return last_key_;
}

ValueId DecoderInputs::padding() {
  if (padding_ != kNoValue) return padding_;
  const Module module = root_ / "attention_mask";
  GraphBuilder& builder = module.builder();
  const float lowest = std::numeric_limits<float>::lowest();
  const ValueId masked =
      builder.constant(TensorData{DType::kF32, {}, bytes_of(std::span(&lowest, 1)), {}}, "mask_lowest");
  const ValueId attended =
      module.op("Cast", {mask_}, {{"to", std::int64_t{info(DType::kBool).onnx}}}, DType::kBool);
  const ValueId bias = module.op("Where", {attended, builder.scalar(0.0F), masked}, {}, DType::kF32);
  padding_ = module.op("Unsqueeze", {bias, builder.constant({1, 2})});
  return padding_;
}

ValueId DecoderInputs::bias(std::int64_t window) {
  const auto known = biases_.find(window);
  if (known != biases_.end()) return known->second;
  const Module module = root_ / "attention_mask";
  GraphBuilder& builder = module.builder();
  const ValueId zero = builder.scalar(std::int64_t{0});
  const ValueId one = builder.scalar(std::int64_t{1});
  ValueId made = kNoValue;
  if (window == 0) {
    const ValueId rows = module.op("Unsqueeze", {length(), builder.constant({0})});
    const ValueId target = module.op("Concat", {batch(), builder.constant({1}), rows, builder.constant({1})},
                                     {{"axis", std::int64_t{0}}});
    made = module.op("Expand", {padding(), target});
  } else {
    const ValueId past = module.op("Sub", {total(), length()});
    const ValueId queries = module.op("Range", {past, total(), one});
    const ValueId keys = module.op("Range", {zero, total(), one});
    const ValueId distance =
        module.op("Sub", {module.op("Unsqueeze", {queries, builder.constant({1})}), keys});
    const ValueId near = module.op("Less", {distance, builder.scalar(window)}, {}, DType::kBool);
    const float lowest = std::numeric_limits<float>::lowest();
    const ValueId masked =
        builder.constant(TensorData{DType::kF32, {}, bytes_of(std::span(&lowest, 1)), {}}, "mask_lowest");
    made = module.op("Where", {near, padding(), masked}, {}, DType::kF32);
  }
  biases_.emplace(window, made);
  return made;
}

ValueId DecoderInputs::frequencies(const Module& module, const Rope& rope) {
  GraphBuilder& builder = module.builder();
  const auto constant = [&](const std::vector<float>& values) {
    return exact(module, builder.constant(
                             TensorData{DType::kF32, {std::ssize(values)}, bytes_of(std::span(values)), {}},
                             "frequencies"));
  };
  const ValueId shorter = constant(rope.inverse_frequencies);
  if (rope.long_frequencies.empty()) return shorter;
  // As transformers: the largest position of the call decides for all of it, padding included.
  const ValueId last = module.op("ReduceMax", {positions_}, {{"keepdims", std::int64_t{0}}}, DType::kI64);
  const ValueId is_long =
      module.op("GreaterOrEqual", {last, builder.scalar(rope.switch_length)}, {}, DType::kBool);
  return exact(module,
               module.op("Where", {is_long, constant(rope.long_frequencies), shorter}, {}, DType::kF32));
}

DecoderInputs::Turns DecoderInputs::turns(const Rope& rope) {
  std::vector<float> key = rope.inverse_frequencies;
  key.insert(key.end(), rope.long_frequencies.begin(), rope.long_frequencies.end());
  key.push_back(rope.magnitude);
  const auto known = turns_.find(key);
  if (known != turns_.end()) return known->second;
  const Module module = root_ / "rotary";
  GraphBuilder& builder = module.builder();
  const ValueId column = module.op("Reshape", {positions_, builder.constant({-1, 1})});
  const ValueId position = exact(module, builder.cast(column, DType::kF32));
  const ValueId angles = exact(module, module.op("Mul", {position, frequencies(module, rope)}));
  const ValueId numbers = module.op("Shape", {column}, {}, DType::kI64);
  const ValueId count = module.op("Gather", {numbers, builder.scalar(std::int64_t{0})});
  const ValueId rows =
      module.op("Range", {builder.scalar(std::int64_t{0}), count, builder.scalar(std::int64_t{1})});
  ValueId cos = module.op("Cos", {angles});
  ValueId sin = module.op("Sin", {angles});
  if (rope.magnitude != 1) {
    const ValueId magnitude = exact(
        module, builder.constant(TensorData{DType::kF32, {}, bytes_of(std::span(&rope.magnitude, 1)), {}},
                                 "frequencies_magnitude"));
    cos = module.op("Mul", {exact(module, cos), magnitude});
    sin = module.op("Mul", {exact(module, sin), magnitude});
  }
  const Turns made = {cos, sin, module.op("Reshape", {rows, shape({})})};
  turns_.emplace(std::move(key), made);
  return made;
}

}  // namespace bantam
