// Static INT8 as scheme and runtime see it: which nodes there are, what the runtime makes of them, and that
// both formats compute the same as their nodes one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "convert/architecture.h"
#include "quantize/quantize.h"
#include "runtime/session.h"
#include "tests/convert/fixtures.h"

namespace bantam {
namespace {

constexpr const char* kTiny = BANTAM_TESTDATA "/sst2-bert-tiny";

Graph float_graph() {
  return build_model(open_checkpoint(kTiny), std::nullopt).graph;
}

ActivationRanges all_ranges(const Graph& graph) {
  ActivationRanges ranges;
  for (const Weight& weight : graph.weights) ranges[weight.name] = {-4, 6};
  return ranges;
}

Graph static_graph(QuantFormat format, std::vector<Rule> rules = {}) {
  const Graph graph = float_graph();
  Variant variant{.dtype = DtypeName::kQ8};
  variant.static_int8 = StaticInt8{.format = format, .ranges = ""};
  variant.rules = std::move(rules);
  return quantize(graph, variant, [](const TensorSource&) { return std::optional<float>(); },
                  {{}, {}, all_ranges(graph)})
      .graph;
}

std::int64_t count(const Graph& graph, std::string_view type) {
  return std::ranges::count(graph.nodes, type, &Node::type);
}

Tensors inputs() {
  const std::vector<std::int64_t> ids = {2, 100, 200, 300, 400, 3}, ones(6, 1), zeros(6);
  return {{"input_ids", Tensor::of<std::int64_t>({1, 6}, ids)},
          {"attention_mask", Tensor::of<std::int64_t>({1, 6}, ones)},
          {"token_type_ids", Tensor::of<std::int64_t>({1, 6}, zeros)}};
}

TEST(StaticInt8, QuantizesEveryActivationOnceAndNoResult) {
  const Graph qdq = static_graph(QuantFormat::kQdq);
  EXPECT_EQ(count(qdq, "QuantizeLinear"), 16);  // 4 layers: attention, its output, both halves of the MLP
  EXPECT_EQ(count(qdq, "DequantizeLinear"), 16 + 24);
  EXPECT_EQ(count(qdq, "DynamicQuantizeLinear"), 0);
  const Graph qoperator = static_graph(QuantFormat::kQOperator);
  EXPECT_EQ(count(qoperator, "QuantizeLinear"), 16);
  EXPECT_EQ(count(qoperator, "MatMulIntegerToFloat"), 24);
  EXPECT_EQ(count(qoperator, "DequantizeLinear"), 0);
}

TEST(StaticInt8, LeavesIslandsInFloat) {
  const Graph graph =
      static_graph(QuantFormat::kQOperator, {{.role = Role::kMlpDown, .match = "", .keep = true}});
  EXPECT_EQ(count(graph, "MatMulIntegerToFloat"), 20);
  EXPECT_EQ(count(graph, "QuantizeLinear"), 12);
}

TEST(StaticInt8, StaysDynamicWhereCalibrationSawNothing) {
  const Graph graph = float_graph();
  Variant variant{.dtype = DtypeName::kInt8};
  variant.static_int8.emplace();
  ActivationRanges ranges = all_ranges(graph);
  ranges.erase("bert.encoder.layer.2.output.dense.weight");
  const QuantizedGraph made =
      quantize(graph, variant, [](const TensorSource&) { return std::optional<float>(); }, {{}, {}, ranges});
  EXPECT_EQ(count(made.graph, "DynamicQuantizeLinear"), 1);
  ASSERT_EQ(made.notes.size(), 1u);
  EXPECT_EQ(
      made.notes[0],
      "bert.encoder.layer.2.output.dense.weight: calibration saw nothing of its input; it stays dynamic");
}

TEST(StaticInt8, IsOneIntegerProductPerLinearAtRunTime) {
  for (const QuantFormat format : {QuantFormat::kQdq, QuantFormat::kQOperator}) {
    const Session session(static_graph(format), {.threads = 1, .profile = true});
    session.run(inputs());
    std::int64_t products = 0;
    for (const NodeTime& time : session.profile()) {
      products += time.type == "MatMulIntegerToFloat" ? 1 : 0;
      EXPECT_NE(time.type, "DequantizeLinear") << time.name;
    }
    EXPECT_EQ(products, 24);
  }
}

TEST(StaticInt8, ComputesTheSameFusedAndNodeByNode) {
  std::vector<std::vector<float>> logits;
  for (const QuantFormat format : {QuantFormat::kQdq, QuantFormat::kQOperator}) {
    for (const bool fuse : {true, false}) {
      const Session session(static_graph(format), {.threads = 1, .fuse = fuse});
      const Tensors outputs = session.run(inputs());
      const auto values = outputs.at("logits").data<float>();
      logits.emplace_back(values.begin(), values.end());
    }
  }
  for (const std::vector<float>& other : logits) {
    for (std::size_t i = 0; i < other.size(); ++i) EXPECT_NEAR(other[i], logits[0][i], 2e-3);
  }
}

TEST(ActivationGrid, HasACodeForZero) {
  const ActivationGrid grid = grid_of(-1, 3);
  EXPECT_FLOAT_EQ(grid.scale, 4.0f / 255);
  EXPECT_EQ(grid.zero_point, 64);
  EXPECT_EQ(grid_of(2, 3).zero_point, 0);  // widened to hold zero
  EXPECT_FLOAT_EQ(grid_of(2, 3).scale, 3.0f / 255);
  EXPECT_EQ(grid_of(-3, -2).zero_point, 255);
  EXPECT_EQ(grid_of(0, 0).scale, 1);
}

}  // namespace
}  // namespace bantam
