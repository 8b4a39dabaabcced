#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "calibrate/heads/choose_heads.h"
#include "calibrate/heads/divergence.h"
#include "calibrate/heads/refit_heads.h"

namespace bantam {
namespace {

std::vector<AttentionOutput> layers(std::initializer_list<std::int64_t> heads) {
  std::vector<AttentionOutput> attentions;
  for (const std::int64_t count : heads) attentions.push_back({std::ssize(attentions), 0, count, 4, true});
  return attentions;
}

HeadSet chosen(const std::vector<HeadStep>& steps) {
  HeadSet set;
  for (const HeadStep& step : steps) set.insert({step.layer, step.head});
  return set;
}

// A model whose loss is the sum of what its heads are worth, but heads (0, 0) and (0, 1) do the same work:
// the second of them to leave costs 100.
std::vector<double> losses(const std::vector<HeadSet>& candidates) {
  std::vector<double> result;
  for (const HeadSet& off : candidates) {
    double loss = 0;
    for (const auto& [layer, head] : off) loss += static_cast<double>(layer * 4 + head + 1);
    if (off.contains({0, 0}) && off.contains({0, 1})) loss += 100;
    result.push_back(loss);
  }
  return result;
}

TEST(ChooseHeads, TakesThoseThatCostLeastAndMeasuresAgain) {
  const auto steps = choose_heads(layers({4, 4}), {.fraction = 3.0 / 8}, losses);
  EXPECT_EQ(chosen(steps), (HeadSet{{0, 0}, {0, 2}, {0, 3}}));
  // Measured once, the two heads that stand in for each other both look cheap.
  const auto blind = choose_heads(layers({4, 4}), {.fraction = 3.0 / 8, .measurements = 1}, losses);
  EXPECT_EQ(chosen(blind), (HeadSet{{0, 0}, {0, 1}, {0, 2}}));
}

TEST(ChooseHeads, LeavesEveryLayerOneHead) {
  const auto steps = choose_heads(layers({2, 3}), {.fraction = 0.6}, losses);
  EXPECT_EQ(steps.size(), 3u);
  EXPECT_EQ(chosen(steps), (HeadSet{{0, 0}, {1, 0}, {1, 1}}));
}

TEST(ChooseHeads, TakesAsManyOfEachLayerWhereCachesMustBeUniform) {
  const auto steps = choose_heads(layers({4, 4, 4}), {.fraction = 0.5, .uniform = true}, losses);
  ASSERT_EQ(steps.size(), 6u);
  for (std::int64_t layer = 0; layer < 3; ++layer)
    EXPECT_EQ(std::ranges::count(steps, layer, &HeadStep::layer), 2);
}

TEST(ChooseHeads, SaysWhichFractionsAreOutOfReach) {
  const auto message = [](double fraction, bool uniform) -> std::string {
    try {
      choose_heads(layers({2, 2}), {.fraction = fraction, .uniform = uniform}, losses);
    } catch (const Error& error) {
      return error.message();
    }
    return "";
  };
  EXPECT_NE(message(0.1, false).find("smallest fraction that removes one is 0.125"), std::string::npos)
      << message(0.1, false);
  EXPECT_NE(message(0.9, false).find("at most 2"), std::string::npos) << message(0.9, false);
  EXPECT_NE(message(0.2, true).find("is none"), std::string::npos) << message(0.2, true);
}

TEST(OutputDivergence, IsKlOfLogitsAndRelativeErrorOfStates) {
  const std::vector<float> p = {1, 2, 0, 0}, q = {2, 1, 0, 0};
  const auto tensors = [](std::string_view name, const std::vector<float>& values) {
    Tensors result;
    result.emplace(name, Tensor::of<float>({2, 2}, values));
    return result;
  };
  // softmax(1, 2) against softmax(2, 1): (2 s - 1) with s = 1 / (1 + 1/e); the second row agrees.
  const double s = 1 / (1 + std::exp(-1.0));
  EXPECT_NEAR(output_divergence(tensors("logits", p), tensors("logits", q)), (2 * s - 1) / 2, 1e-12);
  EXPECT_NEAR(output_divergence(tensors("last_hidden_state", p), tensors("last_hidden_state", q)), 2.0 / 5,
              1e-12);
}

TEST(RefitHeads, FindsTheLinearPartOfWhatLeaves) {
  // Two heads of two columns; head 1 is a function of head 0: x2 = 3 x0 - x1 + 5, x3 = 2 x1 - 1.
  Graph graph;
  const ValueId x = graph.add_value("x", DType::kF32), w = graph.add_value("w", DType::kF32);
  Node gemm;
  gemm.type = "Gemm";
  gemm.name = "/o/Gemm";
  gemm.inputs = {x, w};
  graph.nodes.push_back(gemm);
  graph.attentions = {{0, w, 2, 2, true}};
  HeadActivations activations(graph, {{0, {1}}});
  std::vector<float> rows;
  for (int i = 0; i < 40; ++i) {
    const auto a = static_cast<float>((i * 7) % 11) - 4, b = static_cast<float>((i * 5) % 13) - 7;
    rows.insert(rows.end(), {a, b, 3 * a - b + 5, 2 * b - 1});
  }
  const Tensor tensor = Tensor::of<float>({40, 4}, rows);
  const Tensor* const inputs[] = {&tensor};
  activations.node(gemm, inputs, {});
  const auto refits = activations.refits();
  const HeadRefit& refit = *refits.at(0);
  const std::vector<float> expected = {3, -1, 0, 2};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(refit.matrix[i], expected[i], 1e-3);
  EXPECT_NEAR(refit.shift[0], 5, 0.01);
  EXPECT_NEAR(refit.shift[1], -1, 0.01);
}

}  // namespace
}  // namespace bantam
