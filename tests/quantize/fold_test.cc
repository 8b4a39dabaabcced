#include "quantize/fold.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "base/error.h"
#include "graph/builder.h"
#include "quantize/methods/methods.h"
#include "tests/quantize/weights.h"

namespace bantam {
namespace {

using Axis = CoupledAxis::Axis;
using Matrix = std::vector<float>;

// norm -> up, gate -> product -> down: 4-bit under q4, INT8 under q8.
constexpr std::int64_t kWidth = 64, kInner = 96;

class Input final : public InputStatistics {
 public:
  // Channels of very different size, correlated with their neighbours.
  Input(std::int64_t width, std::uint32_t seed) : width_(width) {
    const std::int64_t samples = 4 * width;
    const Matrix noise = testing::trained_weights(samples * width, seed, 1.0f);
    hessian_.resize(static_cast<std::size_t>(width * width));
    absmax_.resize(static_cast<std::size_t>(width));
    std::vector<double> x(static_cast<std::size_t>(width));
    for (std::int64_t row = 0; row < samples; ++row) {
      for (std::int64_t k = 0; k < width; ++k) {
        const auto at = static_cast<std::size_t>(row * width + k);
        x[static_cast<std::size_t>(k)] =
            (noise[at] + 0.5 * noise[k == 0 ? at : at - 1]) * (k % 9 == 4 ? 20 : 0.2 + 0.05 * (k % 7));
      }
      for (std::size_t i = 0; i < x.size(); ++i) {
        absmax_[i] = std::max(absmax_[i], static_cast<float>(std::abs(x[i])));
        for (std::size_t j = 0; j < x.size(); ++j)
          hessian_[i * x.size() + j] += static_cast<float>(x[i] * x[j] / static_cast<double>(samples));
      }
    }
    for (std::size_t k = 0; k < x.size(); ++k) moments_.push_back(hessian_[k * x.size() + k]);
  }
  std::int64_t width() const override { return width_; }
  std::int64_t samples() const override { return 4 * width_; }
  std::span<const float> second_moments() const override { return moments_; }
  std::span<const float> absmax() const override { return absmax_; }
  float lowest() const override { return 0; }
  float highest() const override { return 0; }
  bool has_hessian() const override { return full; }
  void read_hessian(std::span<float> out) const override { std::ranges::copy(hessian_, out.begin()); }
  bool full = true;

  std::int64_t width_;
  Matrix hessian_, absmax_, moments_;
};

struct Known final : Statistics {
  std::map<std::string, InputStatisticsPtr, std::less<>> inputs;
  InputStatisticsPtr input_of(std::string_view weight) const override {
    const auto found = inputs.find(weight);
    return found == inputs.end() ? nullptr : found->second;
  }
};

struct Model {
  std::map<std::string, Matrix> weights = {{"gain", testing::trained_weights(kWidth, 1, 0.5f)},
                                           {"gate", testing::trained_weights(kInner* kWidth, 2)},
                                           {"up", testing::trained_weights(kInner* kWidth, 3)},
                                           {"up_bias", testing::trained_weights(kInner, 4)},
                                           {"down", testing::trained_weights(kWidth* kInner, 5)}};
  std::shared_ptr<Input> normed = std::make_shared<Input>(kWidth, 11);
  std::shared_ptr<Input> product = std::make_shared<Input>(kInner, 12);

  StatisticsPtr statistics() const {
    auto known = std::make_shared<Known>();
    known->inputs = {{"gate", normed}, {"up", normed}, {"down", product}};
    return known;
  }

  Graph graph() const {
    Graph graph;
    GraphBuilder builder(graph);
    graph.opsets = {{"", 21}};
    const auto declare = [&](const char* name, Shape shape) {
      return builder.weight(name, Role::kOther, make_memory_source(name, std::move(shape), weights.at(name)));
    };
    const ValueId x = builder.input("x", DType::kF32, {Dim::named("n"), Dim::fixed(kWidth)});
    const ValueId gain = declare("gain", {kWidth});
    const ValueId normed_value = builder.op("SimplifiedLayerNormalization", {x, gain});
    const std::vector<Attribute> transposed = {{"transB", std::int64_t{1}}};
    const ValueId gate = declare("gate", {kInner, kWidth}), up = declare("up", {kInner, kWidth});
    const ValueId up_bias = declare("up_bias", {kInner}), down = declare("down", {kWidth, kInner});
    const ValueId gated = builder.op("Gemm", {normed_value, gate}, transposed);
    const ValueId mul =
        builder.op("Mul", {gated, builder.op("Gemm", {normed_value, up, up_bias}, transposed)});
    builder.output(builder.op("Gemm", {mul, down}, transposed), "y", {Dim::named("n"), Dim::fixed(kWidth)});
    graph.couplings = {
        {kWidth,
         {{.weight = gain}},
         {{.weight = gate, .axis = Axis::kColumns}, {.weight = up, .axis = Axis::kColumns}}},
        {kInner, {{.weight = up}, {.weight = up_bias}}, {{.weight = down, .axis = Axis::kColumns}}},
    };
    return graph;
  }
};

std::map<std::string, Matrix> weights_of(const Graph& graph) {
  std::map<std::string, Matrix> result;
  for (const Weight& weight : graph.weights) result[weight.name] = read_all_as_float(*weight.source);
  return result;
}

double at(const Matrix& matrix, std::int64_t width, std::int64_t row, std::int64_t column) {
  return static_cast<double>(matrix[static_cast<std::size_t>(row * width + column)]);
}

// The largest relative change of what the model multiplies, gain to down.
double change(const std::map<std::string, Matrix>& before, const std::map<std::string, Matrix>& now) {
  double worst = 0;
  const auto compare = [&](double then, double after) {
    if (then != 0) worst = std::max(worst, std::abs(after - then) / std::abs(then));
  };
  const auto gated = [](const std::map<std::string, Matrix>& w, std::int64_t j, std::int64_t i) {
    return at(w.at("gate"), kWidth, j, i) * at(w.at("gain"), kWidth, 0, i);
  };
  const auto whole = [](const std::map<std::string, Matrix>& w, std::int64_t j, std::int64_t i) {
    return at(w.at("up"), kWidth, j, i) * at(w.at("gain"), kWidth, 0, i) * at(w.at("down"), kInner, i, j);
  };
  const auto bias = [](const std::map<std::string, Matrix>& w, std::int64_t j, std::int64_t i) {
    return at(w.at("up_bias"), kInner, 0, j) * at(w.at("down"), kInner, i, j);
  };
  for (std::int64_t j = 0; j < kInner; ++j) {
    for (std::int64_t i = 0; i < kWidth; ++i) {
      compare(gated(before, j, i), gated(now, j, i));
      compare(whole(before, j, i), whole(now, j, i));
      compare(bias(before, j, i), bias(now, j, i));
    }
  }
  return worst;
}

TEST(FoldSmooth, DividesByTheFormula) {
  const Model model;
  const Graph graph = model.graph();
  for (const double alpha : {0.5, 0.8, 1.0}) {
    const Variant variant{.dtype = DtypeName::kQ8, .smooth = alpha};
    const auto now =
        weights_of(fold_smooth(graph, variant, model.statistics(), 2, silent_progress()).apply(graph));
    std::vector<double> scales;
    double logs = 0;
    for (std::int64_t c = 0; c < kWidth; ++c) {
      double column = 0;
      for (const char* reader : {"gate", "up"}) {
        for (std::int64_t j = 0; j < kInner; ++j)
          column = std::max(column, std::abs(at(model.weights.at(reader), kWidth, j, c)));
      }
      scales.push_back(std::pow(model.normed->absmax_[static_cast<std::size_t>(c)], alpha) /
                       std::pow(column, 1 - alpha));
      logs += std::log(scales.back());
    }
    for (std::int64_t c = 0; c < kWidth; ++c) {
      const double scale = scales[static_cast<std::size_t>(c)] / std::exp(logs / kWidth);
      const double gain = at(model.weights.at("gain"), kWidth, 0, c) / scale;
      EXPECT_NEAR(at(now.at("gain"), kWidth, 0, c), gain, 1e-6 * std::abs(gain));
      const double gate = at(model.weights.at("gate"), kWidth, 3, c) * scale;
      EXPECT_NEAR(at(now.at("gate"), kWidth, 3, c), gate, 1e-6 * std::abs(gate));
    }
    EXPECT_EQ(now.at("down"), model.weights.at("down"));  // from norms alone
    EXPECT_LT(change(model.weights, now), 5e-7);
  }
}

TEST(FoldSmooth, CountsNoColumnThatIsNotInt8) {
  const Variant variant{
      .dtype = DtypeName::kUint8, .smooth = 0.5, .rules = {{.role = {}, .match = "up", .keep = true}}};
  Model model;
  std::vector<Matrix> gains;
  for (const float factor : {100.0f, 0.0f}) {
    for (float& value : model.weights["up"]) value *= factor;
    const Graph graph = model.graph();
    gains.push_back(
        weights_of(fold_smooth(graph, variant, model.statistics(), 1, silent_progress()).apply(graph))
            .at("gain"));
  }
  EXPECT_NE(gains[0], model.weights.at("gain"));
  EXPECT_EQ(gains[0], gains[1]);
}

TEST(FoldSmooth, LeavesChannelsAloneThatNothingFillsOrReads) {
  Model model;
  model.normed->absmax_[5] = 0;
  for (std::int64_t j = 0; j < kInner; ++j) {
    for (const char* reader : {"gate", "up"})
      model.weights[reader][static_cast<std::size_t>(j * kWidth + 7)] = 0;
  }
  const Graph graph = model.graph();
  const Variant variant{.dtype = DtypeName::kQ8, .smooth = 0.5};
  const auto now =
      weights_of(fold_smooth(graph, variant, model.statistics(), 1, silent_progress()).apply(graph));
  EXPECT_EQ(now.at("gain")[5], model.weights.at("gain")[5]);
  EXPECT_EQ(now.at("gain")[7], model.weights.at("gain")[7]);
  EXPECT_LT(change(model.weights, now), 5e-7);
}

TEST(FoldSmooth, RefusesAModelWithoutACouplingFromANorm) {
  const Model model;
  Graph graph = model.graph();
  graph.couplings.erase(graph.couplings.begin());
  const Variant variant{.dtype = DtypeName::kQ8, .smooth = 0.5};
  try {
    fold_smooth(graph, variant, model.statistics(), 1, silent_progress());
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("q8: nothing to smooth"), std::string::npos) << error.what();
  }
}

// E H E^T of a consumer by the definition, E being taken where the model was, not where it was folded to.
double loss_of(const Matrix& original, const Matrix& folded, const std::vector<double>& scales,
               const Input& input, const CodecPtr& codec) {
  const std::int64_t width = input.width_, rows = std::ssize(original) / width;
  const Matrix decoded = testing::decode(*codec, testing::encode(*codec, folded, rows, width), rows, width);
  double sum = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::vector<double> error;
    for (std::int64_t k = 0; k < width; ++k)
      error.push_back(at(decoded, width, row, k) / scales[static_cast<std::size_t>(k)] -
                      at(original, width, row, k));
    for (std::int64_t i = 0; i < width; ++i) {
      for (std::int64_t j = 0; j < width; ++j)
        sum += error[static_cast<std::size_t>(i)] * at(input.hessian_, width, i, j) *
               error[static_cast<std::size_t>(j)];
    }
  }
  return sum;
}

class FoldAwq : public ::testing::TestWithParam<bool> {};

TEST_P(FoldAwq, TakesAPowerOfTheMagnitudesAndLosesLess) {
  Model model;
  model.normed->full = model.product->full = GetParam();
  const Graph graph = model.graph();
  const Variant variant{.dtype = DtypeName::kQ4, .method = Method::kAwq};
  const Folding folding = fold_awq(graph, variant, model.statistics(), 3, silent_progress());
  const auto now = weights_of(folding.apply(graph));
  EXPECT_LT(change(model.weights, now), 5e-7);
  // The scales that were chosen, from the gain; and the exponent, from one pair of channels.
  std::vector<double> scales;
  for (std::int64_t c = 0; c < kWidth; ++c)
    scales.push_back(at(model.weights.at("gain"), kWidth, 0, c) / at(now.at("gain"), kWidth, 0, c));
  const auto& moments = model.normed->moments_;
  const double alpha = std::log(scales[4] / scales[5]) / (0.5 * std::log(moments[4] / moments[5]));
  EXPECT_NEAR(alpha, std::round(alpha * 10) / 10, 1e-5);
  EXPECT_GT(alpha, 0.05);
  EXPECT_LT(alpha, 1.05);
  double logs = 0;
  for (std::int64_t c = 0; c < kWidth; ++c) {
    const auto i = static_cast<std::size_t>(c);
    EXPECT_NEAR(scales[i] / scales[5], std::pow(moments[i] / moments[5], alpha / 2),
                1e-5 * scales[i] / scales[5]);
    logs += std::log(scales[i]);
  }
  EXPECT_NEAR(logs, 0, 1e-5);
  const BlockwiseOptions options = {.bits = 4, .block_size = 32, .symmetric = true};
  double before = 0, after = 0;
  for (const char* reader : {"gate", "up"}) {
    const Matrix& original = model.weights.at(reader);
    before += loss_of(original, original, std::vector<double>(kWidth, 1.0), *model.normed,
                      weighted_codec(options, model.normed));
    Matrix folded = original;  // without what its rows were divided by
    for (std::size_t i = 0; i < folded.size(); ++i)
      folded[i] = static_cast<float>(folded[i] * scales[i % kWidth]);
    after += loss_of(original, folded, scales, *model.normed,
                     weighted_codec(options, folding.statistics->input_of(reader)));
  }
  EXPECT_LT(after, 0.9 * before);
}

INSTANTIATE_TEST_SUITE_P(Hessian, FoldAwq, ::testing::Bool());

TEST(FoldAwq, DividesWhatIsKnownOfInputs) {
  const Model model;
  const Graph graph = model.graph();
  const Variant variant{.dtype = DtypeName::kQ4, .method = Method::kAwq};
  const Folding folding = fold_awq(graph, variant, model.statistics(), 1, silent_progress());
  const auto now = weights_of(folding.apply(graph));
  const InputStatisticsPtr input = folding.statistics->input_of("gate");
  EXPECT_EQ(input, folding.statistics->input_of("up"));
  Matrix hessian(static_cast<std::size_t>(kWidth * kWidth));
  input->read_hessian(hessian);
  for (std::size_t i = 0; i < kWidth; ++i) {
    const double si = static_cast<double>(now.at("gain")[i]) / model.weights.at("gain")[i];
    EXPECT_NEAR(input->second_moments()[i], model.normed->moments_[i] * si * si,
                1e-5 * input->second_moments()[i]);
    EXPECT_NEAR(input->absmax()[i], model.normed->absmax_[i] * si, 1e-5 * input->absmax()[i]);
    for (std::size_t j = 0; j < kWidth; ++j) {
      const double sj = static_cast<double>(now.at("gain")[j]) / model.weights.at("gain")[j];
      const double wanted = model.normed->hessian_[i * kWidth + j] * si * sj;
      EXPECT_NEAR(hessian[i * kWidth + j], wanted, 1e-5 * std::abs(wanted));
    }
  }
}

TEST(FoldAwq, LeavesWhatCalibrationNeverReached) {
  const Model model;
  const Graph graph = model.graph();
  const Variant variant{.dtype = DtypeName::kQ4, .method = Method::kAwq};
  auto known = std::make_shared<Known>();
  known->inputs = {{"down", model.product}};
  const auto now = weights_of(fold_awq(graph, variant, known, 1, silent_progress()).apply(graph));
  EXPECT_EQ(now.at("gain"), model.weights.at("gain"));
  EXPECT_EQ(now.at("gate"), model.weights.at("gate"));
  EXPECT_NE(now.at("down"), model.weights.at("down"));
}

TEST(FoldAwq, GivesTheSameForAnyThreads) {
  const Model model;
  const Graph graph = model.graph();
  const Variant variant{.dtype = DtypeName::kQ4, .method = Method::kAwq};
  const auto one =
      weights_of(fold_awq(graph, variant, model.statistics(), 1, silent_progress()).apply(graph));
  EXPECT_EQ(weights_of(fold_awq(graph, variant, model.statistics(), 4, silent_progress()).apply(graph)), one);
}

}  // namespace
}  // namespace bantam
