#include "quantize/canonical.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "graph/builder.h"
#include "quantize/canonical/kernels.h"
#include "quantize/scaled_source.h"
#include "tests/quantize/weights.h"

namespace bantam {
namespace {

using Axis = CoupledAxis::Axis;
using Matrix = std::vector<float>;

// norm -> up, gate -> product -> down, all of `kWidth` x `kInner`, and values -> output of a grouped
// attention.
constexpr std::int64_t kWidth = 48, kInner = 80, kHead = 8, kHeads = 6, kGroups = 2;

struct Model {
  Matrix gain = testing::trained_weights(kWidth, 1, 0.5f);
  Matrix gate = testing::trained_weights(kInner * kWidth, 2);
  Matrix up = testing::trained_weights(kInner * kWidth, 3);
  Matrix up_bias = testing::trained_weights(kInner, 4);
  Matrix down = testing::trained_weights(kWidth * kInner, 5);
  Matrix value = testing::trained_weights(kGroups * kHead * kWidth, 6);
  Matrix output = testing::trained_weights(kWidth * kHeads * kHead, 7);

  Graph graph() const {
    Graph graph;
    GraphBuilder builder(graph);
    graph.opsets = {{"", 21}};
    const auto declare = [&](const char* name, Shape shape, const Matrix& values) {
      return builder.weight(name, Role::kOther, make_memory_source(name, std::move(shape), values));
    };
    const ValueId x = builder.input("x", DType::kF32, {Dim::named("n"), Dim::fixed(kWidth)});
    const ValueId g = declare("gain", {kWidth}, gain);
    const ValueId normed = builder.op("SimplifiedLayerNormalization", {x, g});
    const auto linear = [&](ValueId from, ValueId weight, ValueId bias = kNoValue) {
      const std::vector<Attribute> transposed = {{"transB", std::int64_t{1}}};
      return bias == kNoValue ? builder.op("Gemm", {from, weight}, transposed)
                              : builder.op("Gemm", {from, weight, bias}, transposed);
    };
    const ValueId gate_w = declare("gate", {kInner, kWidth}, gate),
                  up_w = declare("up", {kInner, kWidth}, up);
    const ValueId up_b = declare("up_bias", {kInner}, up_bias);
    const ValueId product = builder.op("Mul", {linear(normed, gate_w), linear(normed, up_w, up_b)});
    const ValueId down_w = declare("down", {kWidth, kInner}, down);
    builder.output(linear(product, down_w), "y", {Dim::named("n"), Dim::fixed(kWidth)});
    const ValueId value_w = declare("value", {kGroups * kHead, kWidth}, value);
    const ValueId values = linear(normed, value_w);
    const ValueId spread = builder.op("Spread", {values});  // an attention
    const ValueId output_w = declare("output", {kWidth, kHeads * kHead}, output);
    builder.output(linear(spread, output_w), "z", {Dim::named("n"), Dim::fixed(kWidth)});
    graph.couplings = {
        {kWidth,
         {{.weight = g}},
         {{.weight = gate_w, .axis = Axis::kColumns},
          {.weight = up_w, .axis = Axis::kColumns},
          {.weight = value_w, .axis = Axis::kColumns}}},
        {kInner, {{.weight = up_w}, {.weight = up_b}}, {{.weight = down_w, .axis = Axis::kColumns}}},
        {kGroups * kHead,
         {{.weight = value_w}},
         {{.weight = output_w, .axis = Axis::kColumns, .head = kHead, .repeat = kHeads / kGroups}}},
    };
    return graph;
  }
};

void scale_row(Matrix& matrix, std::int64_t width, std::int64_t row, float factor) {
  for (std::int64_t i = 0; i < width; ++i) matrix[static_cast<std::size_t>(row * width + i)] *= factor;
}
void scale_column(Matrix& matrix, std::int64_t width, std::int64_t column, float factor) {
  for (auto i = static_cast<std::size_t>(column); i < matrix.size(); i += static_cast<std::size_t>(width))
    matrix[i] *= factor;
}

// The same function: every third channel rescaled by what `factor` says.
Model twin(const Model& model, const std::function<float(std::int64_t)>& factor) {
  Model other = model;
  for (std::int64_t c = 0; c < kWidth; c += 3) {
    other.gain[static_cast<std::size_t>(c)] *= factor(c);
    for (Matrix* reader : {&other.gate, &other.up, &other.value})
      scale_column(*reader, kWidth, c, 1 / factor(c));
  }
  for (std::int64_t c = 0; c < kInner; c += 3) {
    scale_row(other.up, kWidth, c, factor(c));
    other.up_bias[static_cast<std::size_t>(c)] *= factor(c);
    scale_column(other.down, kInner, c, 1 / factor(c));
  }
  for (std::int64_t c = 0; c < kGroups * kHead; c += 3) {
    scale_row(other.value, kWidth, c, factor(c));
    for (std::int64_t head = 0; head < kHeads; ++head) {
      if (head / (kHeads / kGroups) == c / kHead)
        scale_column(other.output, kHeads * kHead, head * kHead + c % kHead, 1 / factor(c));
    }
  }
  return other;
}

// By name, what the weights become.
std::map<std::string, Matrix> canonical(const Graph& graph, CanonicalForm form, int threads = 1) {
  std::map<std::string, Matrix> result;
  for (const Weight& weight : canonical_sources(graph, threads, silent_progress()).apply(graph, form).weights)
    result[weight.name] = read_all_as_float(*weight.source);
  return result;
}

class Canonical : public ::testing::TestWithParam<CanonicalForm> {};

TEST_P(Canonical, TwinsByPowersOfTwoBecomeTheSameBytes) {
  const Model model;
  const Model other =
      twin(model, [](std::int64_t c) { return std::ldexp(1.0f, static_cast<int>(c % 17) - 8); });
  ASSERT_NE(model.up, other.up);
  const auto expected = canonical(model.graph(), GetParam());
  EXPECT_EQ(canonical(other.graph(), GetParam()), expected);
  EXPECT_EQ(canonical(other.graph(), GetParam(), 3), expected);
}

TEST_P(Canonical, KeepsWhatTheModelComputes) {
  const Model model;
  auto now = canonical(model.graph(), GetParam());
  for (std::int64_t j = 0; j < kInner; ++j) {
    for (std::int64_t i = 0; i < kWidth; ++i) {
      const auto at = [&](const Matrix& m, std::int64_t row, std::int64_t width, std::int64_t column) {
        return static_cast<double>(m[static_cast<std::size_t>(row * width + column)]);
      };
      const double gated = at(model.gate, j, kWidth, i) * at(model.gain, 0, kWidth, i);
      EXPECT_NEAR(at(now["gate"], j, kWidth, i) * at(now["gain"], 0, kWidth, i), gated,
                  4e-7 * std::abs(gated));
      // Through the product: gain, up and down together.
      const double whole =
          at(model.up, j, kWidth, i) * at(model.gain, 0, kWidth, i) * at(model.down, i, kInner, j);
      const double then =
          at(now["up"], j, kWidth, i) * at(now["gain"], 0, kWidth, i) * at(now["down"], i, kInner, j);
      EXPECT_NEAR(then, whole, 4e-7 * std::abs(whole));
      const double bias = at(model.up_bias, 0, kInner, j) * at(model.down, i, kInner, j);
      EXPECT_NEAR(at(now["up_bias"], 0, kInner, j) * at(now["down"], i, kInner, j), bias,
                  4e-7 * std::abs(bias));
    }
  }
}

TEST_P(Canonical, GivesTwinsByOtherFactorsTheSameValuesButForRounding) {
  const Model model;
  const Model other = twin(model, [](std::int64_t c) { return 0.01f * static_cast<float>(c * c % 997 + 1); });
  const auto expected = canonical(model.graph(), GetParam());
  for (const auto& [name, values] : canonical(other.graph(), GetParam())) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float wanted = expected.at(name)[i];
      if (GetParam() == CanonicalForm::kFull) {
        ASSERT_NEAR(values[i], wanted, 2e-6f * std::abs(wanted)) << name << " " << i;
      } else if (wanted != 0) {  // a step of powers of two for each of two axes
        ASSERT_LT(std::abs(std::log2(values[i] / wanted)), 2.001f) << name << " " << i;
      }
    }
  }
}

TEST_P(Canonical, SetsChannelsToZeroThatNothingReadsOrNothingFills) {
  Model model;
  model.gain[5] = 0;
  scale_column(model.gate, kWidth, 7, 0);
  scale_column(model.up, kWidth, 7, 0);
  scale_column(model.value, kWidth, 7, 0);
  auto now = canonical(model.graph(), GetParam());
  EXPECT_EQ(now["gain"][5], 0);
  EXPECT_EQ(now["gate"][5], 0);
  EXPECT_EQ(now["gain"][7], 0);
  for (const auto& [name, values] : now) {
    for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << name;
  }
}

TEST_P(Canonical, LeavesAChannelAloneThatIsNotFinite) {
  Model model;
  model.gain[5] = std::numeric_limits<float>::infinity();
  model.down[9] = std::numeric_limits<float>::quiet_NaN();
  auto now = canonical(model.graph(), GetParam());
  EXPECT_EQ(now["gain"][5], model.gain[5]);
  EXPECT_TRUE(std::isnan(now["down"][9]));
}

TEST_P(Canonical, LeavesWeightsAloneThatSomethingElseReads) {
  const Model model;
  Graph graph = model.graph();
  GraphBuilder builder(graph);
  const ValueId ids = builder.input("ids", DType::kI64, {Dim::named("n")});
  const ValueId down = graph.couplings[1].consumers[0].weight;
  builder.output(builder.op("Gather", {down, ids}), "rows", {Dim::named("n"), Dim::fixed(kInner)});
  const auto now = canonical(graph, GetParam());
  EXPECT_EQ(now.at("down"), model.down);
  EXPECT_EQ(now.at("up_bias"), model.up_bias);
  EXPECT_NE(now.at("gain"), model.gain);
}

INSTANTIATE_TEST_SUITE_P(Forms, Canonical,
                         ::testing::Values(CanonicalForm::kPowersOfTwo, CanonicalForm::kFull));

TEST(PowersOfTwo, KeepTheBitsOfEveryFraction) {
  const Model model;
  const auto now = canonical(model.graph(), CanonicalForm::kPowersOfTwo);
  for (std::size_t i = 0; i < model.up.size(); ++i) {
    int ignored = 0;
    ASSERT_EQ(std::frexp(now.at("up")[i], &ignored), std::frexp(model.up[i], &ignored)) << i;
  }
}

TEST(CanonicalForm, GivesSharedLayersOneScaling) {
  const Model model;
  Graph graph = model.graph();
  const std::vector<Coupling> once = graph.couplings;
  graph.couplings.insert(graph.couplings.end(), once.begin(), once.end());
  EXPECT_EQ(canonical(graph, CanonicalForm::kFull), canonical(model.graph(), CanonicalForm::kFull));
}

TEST(CanonicalForm, LeavesAnAxisAloneThatTwoFreedomsClaim) {
  const Model model;
  Graph graph = model.graph();
  Coupling other = graph.couplings[1];
  other.producers.pop_back();
  graph.couplings.push_back(other);
  EXPECT_EQ(canonical(graph, CanonicalForm::kFull).at("down"), model.down);
}

TEST(ScaledSource, ReadsAnyRowsAtAnyAddress) {
  const Matrix values = testing::trained_weights(20 * 7, 1);
  AxisFactors factors;
  for (int row = 0; row < 20; ++row) factors.rows.push_back(row - 3);
  for (int column = 0; column < 7; ++column) factors.columns.push_back(0.3 * column);
  const TensorSourcePtr source = make_scaled_source(make_memory_source("w", {20, 7}, values), factors);
  std::vector<std::byte> bytes(1 + 5 * 7 * sizeof(float));
  source->read({4, 9}, std::span(bytes).subspan(1));
  for (std::size_t i = 0; i < 35; ++i) {
    float read = 0;
    std::memcpy(&read, bytes.data() + 1 + i * sizeof(float), sizeof(read));
    const double exact =
        static_cast<double>(values[4 * 7 + i]) * (factors.rows[4 + i / 7] * factors.columns[i % 7]);
    EXPECT_EQ(read, static_cast<float>(exact));
  }
}

TEST(ScalingKernels, GiveTheSameBitsOnEveryLevel) {
  for (const std::int64_t width : {1, 7, 8, 9, 63, 64, 1000}) {
    const Matrix row = testing::trained_weights(width, 3);
    std::vector<double> factors;
    for (std::int64_t i = 0; i < width; ++i) factors.push_back(1.0 / static_cast<double>(i + 3));
    std::vector<double> squares;
    std::vector<std::vector<double>> sums;
    std::vector<Matrix> scaled;
    for (const Isa level : {Isa::kV2, Isa::kV3, Isa::kV4}) {
      if (level > isa()) continue;
      const ScalingKernels& kernels = scaling_kernels(level);
      squares.push_back(kernels.squares(row.data(), factors.data(), width));
      kernels.add_squares(row.data(), factors.data(), 0.3, sums.emplace_back(row.size(), 0.1).data(), width);
      kernels.scale(scaled.emplace_back(row).data(), factors.data(), 1.7, width);
    }
    for (std::size_t i = 1; i < squares.size(); ++i) {
      EXPECT_EQ(squares[i], squares[0]);
      EXPECT_EQ(sums[i], sums[0]);
      EXPECT_EQ(scaled[i], scaled[0]);
    }
  }
}

}  // namespace
}  // namespace bantam
