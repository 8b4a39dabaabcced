// Blockwise operators in ONNX's own ones, by the native runtime: the same numbers, the same bits in the file.
// What families emit as a whole is held against PyTorch and onnxruntime in tests/oracle/standard_ops.py.
#include "graph/lower.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "graph/builder.h"
#include "quantize/codec.h"
#include "runtime/session.h"
#include "tests/convert/checkpoint_files.h"
#include "tests/quantize/weights.h"

namespace bantam {
namespace {

constexpr std::int64_t kRows = 6;

struct Case {
  const char* name;
  std::int64_t width;
  int bits;
  int block;
  bool symmetric;
  bool matmul, gather;
  bool plain_gather;  // another node reads the codes as well
  DType codes;        // as the file declares them
  BlockLayout layout = BlockLayout::kMatMul;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

std::vector<float> random_values(std::int64_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

// y = MatMulNBits(x, w, bias), e = GatherBlockQuantized(w, ids), c = Gather(codes of w, ids), as the case
// asks.
Graph blockwise_graph(const Case& c) {
  Graph graph;
  graph.opsets = {{"", 21}};
  GraphBuilder builder(graph);
  const BlockwiseOptions options = {
      .bits = c.bits, .block_size = c.block, .symmetric = c.symmetric, .layout = c.layout};
  Weight weight{"w",
                Role::kHead,
                make_memory_source("w", {kRows, c.width}, random_values(kRows * c.width, 1)),
                blockwise_codec(options),
                {}};
  for (const PartSpec& spec : weight.codec->parts(weight.source->spec())) {
    weight.parts.push_back({{graph.add_value("w" + spec.suffix, spec.dtype)}, {spec.shape}, spec.dtype});
  }
  const ValueId codes = weight.parts[0].values[0], scales = weight.parts[1].values[0];
  const ValueId zeros = c.symmetric ? kNoValue : weight.parts[2].values[0];
  ValueId rows = codes;
  if (c.gather && weight.parts[0].shapes[0].size() == 3) {
    rows = graph.add_value("w_rows", DType::kU8);
    weight.parts[0].values.push_back(rows);
    weight.parts[0].shapes.push_back({kRows, element_count(weight.parts[0].shapes[0]) / kRows});
  }
  graph.weights.push_back(std::move(weight));
  const GraphBuilder::Scope scope(builder, "layer");
  if (c.matmul) {
    const ValueId x = builder.input("x", DType::kF32, {Dim::named("n"), Dim::fixed(c.width)});
    const ValueId bias =
        builder.weight("b", Role::kBias, make_memory_source("b", {kRows}, random_values(kRows, 2)));
    const ValueId y = builder.op(
        "MatMulNBits", {x, codes, scales, zeros, kNoValue, bias},
        {{"K", c.width}, {"N", kRows}, {"bits", std::int64_t{c.bits}}, {"block_size", std::int64_t{c.block}}},
        DType::kF32, kMicrosoft);
    builder.output(y, "y", {Dim::named("n"), Dim::fixed(kRows)});
  }
  const ValueId ids = c.gather || c.plain_gather
                          ? builder.input("ids", DType::kI64, {Dim::named("a"), Dim::named("b")})
                          : kNoValue;
  if (c.gather) {
    const ValueId e = builder.op("GatherBlockQuantized", {rows, ids, scales, zeros},
                                 {{"bits", std::int64_t{c.bits}},
                                  {"block_size", std::int64_t{c.block}},
                                  {"gather_axis", std::int64_t{0}},
                                  {"quantize_axis", std::int64_t{1}}},
                                 DType::kF32, kMicrosoft);
    builder.output(e, "e", {Dim::named("a"), Dim::named("b"), Dim{}});
  }
  if (c.plain_gather) {
    const ValueId found = builder.op("Gather", {codes, ids}, {}, DType::kU8);
    builder.output(builder.cast(found, DType::kF32), "c", {Dim{}, Dim{}, Dim{}, Dim{}});
  }
  graph.check();
  return graph;
}

Tensors inputs_of(const Case& c) {
  Tensors inputs;
  if (c.matmul) {
    Tensor x(DType::kF32, {3, c.width});
    std::ranges::copy(random_values(3 * c.width, 3), x.mutable_data<float>().begin());
    inputs["x"] = std::move(x);
  }
  if (c.gather || c.plain_gather) {
    Tensor ids(DType::kI64, {2, 2});
    std::ranges::copy(std::vector<std::int64_t>{5, 0, 2, 5}, ids.mutable_data<std::int64_t>().begin());
    inputs["ids"] = std::move(ids);
  }
  return inputs;
}

std::int64_t stored_bytes(const Graph& graph) {
  std::int64_t bytes = 0;
  for (const Weight& weight : graph.weights) {
    for (const PartSpec& spec : weight.codec->parts(weight.source->spec())) bytes += spec.bytes();
  }
  return bytes;
}

class LowerBlockwise : public ::testing::TestWithParam<Case> {};

// Runs both graphs, the second with and without fusions, and compares what they give.
void expect_same(const Graph& fused, const Graph& lowered, const Tensors& inputs) {
  const Tensors want = Session(fused).run(inputs);
  for (const bool fuse : {true, false}) {
    SessionOptions options;
    options.fuse = fuse;
    const Tensors got = Session(lowered, options).run(inputs);
    ASSERT_EQ(got.size(), want.size());
    for (const auto& entry : want) {
      const Tensor& mine = got.at(entry.first);
      ASSERT_EQ(mine.shape(), entry.second.shape()) << entry.first;
      for (std::size_t i = 0; i < mine.data<float>().size(); ++i) {
        EXPECT_NEAR(mine.data<float>()[i], entry.second.data<float>()[i], 2e-5) << entry.first << " " << i;
      }
    }
  }
}

TEST_P(LowerBlockwise, GivesTheSameNumbersFromAsManyBytes) {
  const Case& c = GetParam();
  const Graph fused = blockwise_graph(c);
  Graph standard = fused;
  lower_operators(standard, Operators::kStandard);
  for (const Node& node : standard.nodes) EXPECT_EQ(node.domain, "") << node.type;
  EXPECT_FALSE(standard.opsets.contains(std::string(kMicrosoft)));
  EXPECT_EQ(stored_bytes(standard), stored_bytes(fused));
  EXPECT_EQ(standard.weights.at(0).parts.at(0).stored, c.codes);
  expect_same(fused, standard, inputs_of(c));
}

TEST_P(LowerBlockwise, GivesTheSameNumbersToTransformersJs3) {
  const Case& c = GetParam();
  const Graph fused = blockwise_graph(c);
  Graph lowered = fused;
  lower_operators(lowered, Operators::kWeb122);
  for (const Node& node : lowered.nodes) {
    EXPECT_NE(node.type, "GatherBlockQuantized");
    if (node.type != "MatMulNBits") continue;
    EXPECT_EQ(std::get<std::int64_t>(node.find("bits")->value), 4);
  }
  EXPECT_EQ(stored_bytes(lowered), stored_bytes(fused));
  expect_same(fused, lowered, inputs_of(c));
}

// Codecs are asked for tiles of rows; what they are wrapped in must give the same bytes and decode to the
// same values.
TEST_P(LowerBlockwise, DecodesWhatItStores) {
  const Case& c = GetParam();
  const Graph fused = blockwise_graph(c);
  const std::vector<float> values = random_values(kRows * c.width, 1);
  const std::vector<float> want =
      testing::decode(*fused.weights[0].codec,
                      testing::encode(*fused.weights[0].codec, values, kRows, c.width), kRows, c.width);
  for (const Operators allowed : {Operators::kStandard, Operators::kWeb122}) {
    Graph lowered = fused;
    lower_operators(lowered, allowed);
    const Codec& codec = *lowered.weights[0].codec;
    const testing::Encoded whole = testing::encode(codec, values, kRows, c.width);
    EXPECT_EQ(testing::encode(codec, values, kRows, c.width, 1).bytes, whole.bytes);
    EXPECT_EQ(testing::decode(codec, whole, kRows, c.width), want);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, LowerBlockwise,
    ::testing::Values(
        Case{"four", 64, 4, 16, true, true, false, false, DType::kI4},
        Case{"four_padded", 50, 4, 16, true, true, false, false, DType::kI4},
        Case{"four_zeros", 64, 4, 16, false, true, false, false, DType::kU4},
        Case{"four_zeros_odd", 41, 4, 16, false, true, false, false, DType::kU8},
        Case{"four_rows", 64, 4, 16, true, false, true, false, DType::kU8},
        Case{"four_rows_zeros", 48, 4, 16, false, false, true, false, DType::kU8},
        Case{"four_rows_unpadded", 40, 4, 16, true, false, true, false, DType::kU8, BlockLayout::kGather},
        Case{"four_tied", 64, 4, 32, true, true, true, false, DType::kU8},
        Case{"four_tied_zeros", 96, 4, 32, false, true, true, false, DType::kU8},
        Case{"four_read_twice", 64, 4, 32, true, true, false, true, DType::kU8},
        Case{"eight", 64, 8, 64, true, true, false, false, DType::kI8},
        Case{"eight_padded", 70, 8, 16, true, true, false, false, DType::kI8},
        Case{"eight_zeros", 64, 8, 32, false, true, false, false, DType::kU8},
        Case{"eight_rows", 64, 8, 32, true, false, true, false, DType::kI8},
        Case{"eight_rows_unpadded", 40, 8, 16, true, false, true, false, DType::kI8, BlockLayout::kGather},
        Case{"eight_tied", 64, 8, 32, true, true, true, false, DType::kI8},
        Case{"eight_read_twice", 64, 8, 32, true, true, false, true, DType::kU8}),
    [](const auto& entry) { return std::string(entry.param.name); });

// What the operator set of onnxruntime-web 1.22 has may stay.
TEST(LowerOperators, LeavesFourBitsToTransformersJs3) {
  Graph graph = blockwise_graph({"", 64, 4, 16, true, true, false, false, DType::kU8});
  lower_operators(graph, Operators::kWeb122);
  EXPECT_EQ(graph.nodes.at(0).type, "MatMulNBits");
  EXPECT_EQ(graph.weights[0].parts[0].stored, DType::kU8);
  Graph fused = blockwise_graph({"", 64, 8, 16, true, true, true, false, DType::kU8});
  lower_operators(fused, Operators::kFused);
  EXPECT_EQ(fused.nodes.size(), 2u);
}

// One node of com.microsoft between an input [1, 2, 16] and an output.
Graph one_node(std::string_view type, std::vector<Attribute> attributes, std::int64_t opset = 21) {
  Graph graph;
  graph.opsets = {{"", opset}};
  GraphBuilder builder(graph);
  const ValueId x = builder.input("x", DType::kF32, {Dim::fixed(1), Dim::fixed(2), Dim::fixed(16)});
  const GraphBuilder::Scope scope(builder, "h");
  const ValueId y = builder.op(type, {x, x, x}, std::move(attributes), DType::kF32, kMicrosoft);
  builder.output(y, "y", {Dim{}, Dim{}, Dim{}});
  return graph;
}

std::string refusal(Graph graph) {
  return test::error_of([&] { lower_operators(graph, Operators::kStandard); });
}

TEST(LowerOperators, RefusesByNameWhatItDoesNotKnow) {
  EXPECT_EQ(refusal(one_node("FusedMatMul", {})),
            "/h/FusedMatMul: com.microsoft.FusedMatMul has no form in ONNX's own operators here");
  EXPECT_EQ(refusal(one_node("QuickGelu", {}, 20)),
            "opset 20; the operators that replace others are those of opset 21");
  EXPECT_EQ(refusal(one_node("QuickGelu", {{"beta", 1.0F}})),
            "/h/QuickGelu (QuickGelu): attribute beta is not covered here");
  EXPECT_EQ(refusal(one_node("QuickGelu", {{"alpha", std::int64_t{1}}})),
            "/h/QuickGelu (QuickGelu): attribute alpha is no float");
  EXPECT_EQ(refusal(one_node("MatMulNBits", {})),
            "/h/MatMulNBits: the codes of MatMulNBits are no stored weight; that is not covered here");
  EXPECT_EQ(refusal(one_node("RotaryEmbedding", {{"interleaved", std::int64_t{1}}})),
            "/h/RotaryEmbedding (RotaryEmbedding): interleaved is 1; only 0 is covered here");
  EXPECT_EQ(refusal(one_node("GroupQueryAttention",
                             {{"num_heads", std::int64_t{2}}, {"kv_num_heads", std::int64_t{2}}})),
            "/h/GroupQueryAttention (GroupQueryAttention): without attention_bias it is not covered here");
  EXPECT_EQ(refusal(one_node("GroupQueryAttention", {{"local_window_size", std::int64_t{4}}})),
            "/h/GroupQueryAttention (GroupQueryAttention): local_window_size is 4; only -1 is covered here");
}

}  // namespace
}  // namespace bantam
