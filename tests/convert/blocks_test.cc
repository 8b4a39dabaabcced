#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "convert/blocks/derived_source.h"
#include "convert/blocks/model_graph.h"
#include "convert/blocks/post_norm_layer.h"
#include "convert/blocks/tied_source.h"
#include "tests/convert/checkpoint_files.h"
#include "tests/convert/fixtures.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;
using test::set_tensor;

Checkpoint empty_checkpoint() {
  return {"dir", "dir", Config("dir/config.json", Json::object()), {}, {}, {}};
}

TEST(Module, NamesTensorsWithDotsAndNodesWithSlashes) {
  Checkpoint checkpoint = empty_checkpoint();
  set_tensor(checkpoint, "encoder.layer.1.norm.gamma", {3});
  Weights weights(checkpoint);
  ModelGraph model = new_model("x", Task::kFillMask);
  const Module norm = (Module(model.graph, weights) / "encoder").item("layer", 1) / "norm";
  EXPECT_EQ(norm.tensor("bias"), "encoder.layer.1.norm.bias");
  const ValueId gain = norm.weight({"weight", "gamma"}, {3}, Role::kNormGain);
  EXPECT_EQ(model.graph.value(gain).name, "encoder.layer.1.norm.gamma");
  norm.op("Relu", {gain});
  EXPECT_EQ(model.graph.nodes[0].name, "/encoder/layer.1/norm/Relu");
  EXPECT_EQ(norm.weight({"weight", "gamma"}, {3}, Role::kNormGain), gain);
  EXPECT_EQ(model.graph.weights.size(), 1U);
}

// Pruned layers keep fewer heads than hidden / head_size.
TEST(PostNormLayer, TakesAttentionNarrowerThanTheHiddenSize) {
  const Checkpoint checkpoint = empty_checkpoint();
  Weights weights(checkpoint);
  ModelGraph model = new_model("x", Task::kFeatureExtraction);
  const Module root(model.graph, weights);
  TokenInputs inputs(root, TokenTypes::kNone);
  EncoderConfig config;
  config.hidden = 20;
  config.intermediate = 7;
  config.activation = "relu";
  const ValueId x = root.builder().input("x", DType::kF32, {Dim::named("rows"), Dim::fixed(20)});
  config.heads = {.count = 3, .size = 4};
  const ValueId y =
      post_norm_layer(root / "layer", kBertLayer, config, 0, inputs, x, {attention_bias(root, inputs)});
  root.builder().output(y, "y", {Dim::named("rows"), Dim::fixed(20)});
  model.graph.check();
  const auto shape = [&](std::string_view name) {
    for (const Weight& weight : model.graph.weights) {
      if (weight.name == name) return weight.source->spec().shape;
    }
    return Shape{};
  };
  EXPECT_EQ(shape("layer.attention.self.query.weight"), (Shape{12, 20}));
  EXPECT_EQ(shape("layer.attention.self.value.bias"), (Shape{12}));
  EXPECT_EQ(shape("layer.attention.output.dense.weight"), (Shape{20, 12}));
  EXPECT_EQ(shape("layer.output.dense.weight"), (Shape{20, 7}));
}

TEST(TokenInputs, MakeEachShapeOnce) {
  const Checkpoint checkpoint = empty_checkpoint();
  Weights weights(checkpoint);
  ModelGraph model = new_model("x", Task::kFillMask);
  TokenInputs inputs(Module(model.graph, weights), TokenTypes::kInput);
  EXPECT_EQ(inputs.shape({3, 4}), inputs.shape({3, 4}));
  EXPECT_NE(inputs.shape({4, 3}), inputs.shape({3, 4}));
  EXPECT_EQ(inputs.range(), inputs.range());
  EXPECT_EQ(model.graph.nodes.size(), 5U);  // Shape, two Concat, Gather, Range
}

TEST(TiedSource, ComparesExactlyTheRowsThatAreRead) {
  std::vector<float> values(5 * 3);
  std::iota(values.begin(), values.end(), 1.0F);
  std::vector<float> changed = values;
  changed[4 * 3] += 1;
  const TensorSourcePtr kept = make_memory_source("kept", {5, 3}, values);
  const TensorSourcePtr tied = make_tied_source(kept, make_memory_source("copy", {5, 3}, changed));
  std::vector<float> rows(4 * 3);
  tied->read({0, 4}, std::as_writable_bytes(std::span(rows)));
  EXPECT_EQ(rows, std::vector<float>(values.begin(), values.end() - 3));
  EXPECT_TRUE(has_parts(error_of([&] { read_all_as_float(*tied); }),
                        {"copy differs from kept", "tie_word_embeddings"}));
  EXPECT_EQ(read_all_as_float(*make_tied_source(kept, make_memory_source("copy", {5, 3}, values))), values);
}

TEST(TiedSource, FindsADifferenceBehindTheFirstMebibyte) {
  const std::int64_t count = 700'001;
  std::vector<float> values(static_cast<std::size_t>(count), 0.5F);
  const TensorSourcePtr kept = make_memory_source("kept", {count}, values);
  values.back() = 0.25F;
  const TensorSourcePtr tied = make_tied_source(kept, make_memory_source("copy", {count}, values));
  EXPECT_TRUE(has_parts(error_of([&] { read_all_as_float(*tied); }), {"copy differs from kept"}));
}

std::vector<float> rows_of(const TensorSource& source, RowRange rows) {
  std::vector<float> values(static_cast<std::size_t>(rows.count() * source.spec().width()));
  source.read(rows, std::as_writable_bytes(std::span(values)));
  return values;
}

// Of 3 x 700,001 numbers in memory, which are read in passes, and of the same in a file, which are gathered.
TEST(TransposedSource, ReadsColumnsAsRowsFromMemoryAndFromAFile) {
  const std::int64_t columns = 700'001;
  std::vector<float> values(static_cast<std::size_t>(3 * columns));
  std::iota(values.begin(), values.end(), 0.0F);
  const auto path = std::filesystem::path(testing::TempDir()) / "transposed.bin";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), std::ssize(values) * 4);
  const TensorSourcePtr stored[] = {make_memory_source("w", {3, columns}, values),
                                    make_file_source({"w", DType::kF32, {3, columns}},
                                                     std::make_shared<const File>(File::open_read(path)), 0),
                                    make_memory_source("w", {columns, 3}, values),
                                    make_file_source({"w", DType::kF32, {columns, 3}},
                                                     std::make_shared<const File>(File::open_read(path)), 0)};
  for (const TensorSourcePtr& source : stored) {
    const TensorSourcePtr turned = make_transposed_source(source);
    const std::int64_t width = source->spec().rows();
    const std::int64_t rows = source->spec().width();
    EXPECT_EQ(turned->spec().shape, (Shape{rows, width}));
    const RowRange some{rows / 2, std::min(rows, rows / 2 + 5)};
    std::vector<float> expected;
    for (std::int64_t r = some.begin; r < some.end; ++r) {
      for (std::int64_t c = 0; c < width; ++c)
        expected.push_back(values[static_cast<std::size_t>(c * rows + r)]);
    }
    EXPECT_EQ(rows_of(*turned, some), expected);
    EXPECT_EQ(rows_of(*make_transposed_source(turned), {0, 2}), rows_of(*source, {0, 2}));
  }
}

TEST(TiedSource, RefusesOtherShapesAtOnce) {
  const TensorSourcePtr kept = make_memory_source("kept", {2, 3}, std::vector<float>(6));
  const TensorSourcePtr copy = make_memory_source("copy", {3, 2}, std::vector<float>(6));
  EXPECT_TRUE(has_parts(error_of([&] { make_tied_source(kept, copy); }), {"copy differs from kept"}));
}

}  // namespace
}  // namespace bantam
