// How schemes rewrite an embedding: the bundle must run where there is no GatherBlockQuantized.
#include <gtest/gtest.h>

#include <algorithm>

#include "graph/builder.h"
#include "quantize/quantize.h"

namespace bantam {
namespace {

// logits = head(x + table[ids]) with the head tied to the table.
Graph tied_model(std::int64_t width) {
  Graph graph;
  graph.opsets[""] = 21;
  GraphBuilder build(graph);
  const ValueId ids = build.input("ids", DType::kI64, {Dim::named("rows")});
  const ValueId table = build.weight(
      "table", Role::kWordEmbedding,
      make_memory_source("table", {67, width}, std::vector<float>(static_cast<std::size_t>(67 * width))));
  const ValueId x = build.op("Gather", {table, ids});
  const ValueId logits = build.op("Gemm", {x, table}, {{"transB", std::int64_t{1}}});
  build.output(logits, "logits", {Dim::named("rows"), Dim::fixed(67)});
  return graph;
}

std::optional<float> unmeasured(const TensorSource&) {
  return std::nullopt;
}

std::int64_t count(const Graph& graph, std::string_view type) {
  return std::count_if(graph.nodes.begin(), graph.nodes.end(),
                       [&](const Node& node) { return node.type == type; });
}

TEST(QuantizedEmbedding, RunsWithoutGatherBlockQuantized) {
  for (const DtypeName dtype :
       {DtypeName::kQ8, DtypeName::kInt8, DtypeName::kUint8, DtypeName::kQ4, DtypeName::kQ4F16}) {
    for (const std::int64_t width : {20, 32, 36, 64}) {
      const Graph graph = quantize(tied_model(width), {.dtype = dtype}, unmeasured).graph;
      EXPECT_EQ(count(graph, "GatherBlockQuantized"), 0);
      EXPECT_EQ(count(graph, "Gather"), 2) << "codes and scales";
      EXPECT_EQ(count(graph, "Slice"), width % 16 == 0 ? 0 : 1) << "cuts what pads the last block";
    }
  }
}

TEST(QuantizedEmbedding, SharesItsInitializersWithATiedHead) {
  for (const int bits : {4, 8}) {
    const Variant variant{.dtype = DtypeName::kQ4, .rules = {{.match = "table", .bits = bits}}};
    const Graph graph = quantize(tied_model(64), variant, unmeasured).graph;
    ASSERT_EQ(graph.weights.size(), 1U);
    for (const WeightPart& part : graph.weights[0].parts) {
      ASSERT_EQ(part.values.size(), 1U);
      const auto reads = [&](const Node& node) {
        return std::find(node.inputs.begin(), node.inputs.end(), part.values[0]) != node.inputs.end();
      };
      EXPECT_EQ(std::count_if(graph.nodes.begin(), graph.nodes.end(), reads), 2);
    }
    EXPECT_EQ(count(graph, "MatMulNBits"), 1);
    EXPECT_EQ(count(graph, "Floor"), bits == 4 ? 1 : 0) << "nibbles are taken apart";
  }
}

const Node& only(const Graph& graph, std::string_view type) {
  return *std::find_if(graph.nodes.begin(), graph.nodes.end(),
                       [&](const Node& node) { return node.type == type; });
}

TEST(FusedEmbedding, ReadsTheBytesOfATiedHeadAsRows) {
  const Variant variant{.dtype = DtypeName::kQ4F16, .fused_embeddings = true};
  const Graph graph = quantize(tied_model(96), variant, unmeasured).graph;
  EXPECT_EQ(count(graph, "Gather"), 0);
  const Node& lookup = only(graph, "GatherBlockQuantized");
  const Node& head = only(graph, "MatMulNBits");
  ASSERT_EQ(graph.weights.size(), 1U);
  const WeightPart& codes = graph.weights[0].parts[0];
  EXPECT_EQ(codes.values, (std::vector<ValueId>{head.inputs[1], lookup.inputs[0]}));
  EXPECT_EQ(codes.shapes, (std::vector<Shape>{{67, 3, 32}, {67, 96}}));
  EXPECT_EQ(lookup.inputs[2], head.inputs[2]) << "scales have one shape";
  EXPECT_EQ(std::get<std::int64_t>(lookup.find("block_size")->value), 32);
  EXPECT_EQ(std::get<std::int64_t>(lookup.find("bits")->value), 8);
}

TEST(FusedEmbedding, IsWhereItCanBe) {
  const Variant variant{.dtype = DtypeName::kQ4, .fused_embeddings = true};
  EXPECT_EQ(count(quantize(tied_model(36), variant, unmeasured).graph, "GatherBlockQuantized"), 0)
      << "rows that are no whole blocks";
}

TEST(FusedEmbedding, IsTheDefaultOfDecodersThatOnlyWebGpuRuns) {
  Graph decoder = tied_model(64);
  GraphBuilder build(decoder);
  const ValueId cache = build.input("past", DType::kF32, {Dim::named("past")});
  decoder.value(cache).precision = Precision::kFollow;
  for (const DtypeNameInfo& entry : dtype_names()) {
    const auto lookups = [&](const Graph& model) {
      return count(quantize(model, {.dtype = entry.dtype}, unmeasured).graph, "GatherBlockQuantized");
    };
    EXPECT_EQ(lookups(decoder), entry.dtype == DtypeName::kQ4F16 ? 1 : 0) << entry.name;
    EXPECT_EQ(lookups(tied_model(64)), 0) << entry.name;
  }
}

}  // namespace
}  // namespace bantam
