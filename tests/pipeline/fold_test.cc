// Folded float graphs against PyTorch: whatever the scales, the model computes the same function.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <set>

#include "base/error.h"
#include "convert/architecture.h"
#include "convert/safetensors.h"
#include "quantize/fold.h"
#include "quantize/usable_couplings.h"
#include "runtime/session.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

const fs::path kFixtures = BANTAM_TESTDATA "/fixtures";

// Tensors "case0.<kind>.NAME" of a fixture's golden file.
Tensors golden(const std::string& fixture, const std::string& kind) {
  Tensors tensors;
  const std::string prefix = "case0." + kind + ".";
  for (const TensorSourcePtr& source : open_safetensors(kFixtures / fixture / "golden.safetensors").tensors) {
    if (!source->spec().name.starts_with(prefix)) continue;
    Tensor tensor(source->spec().dtype, source->spec().shape);
    source->read({0, source->spec().rows()}, tensor.mutable_bytes());
    tensors.emplace(source->spec().name.substr(prefix.size()), std::move(tensor));
  }
  return tensors;
}

// Every coupling through columns, by random factors from 1/8 to 8.
std::vector<ChannelScales> random_scales(const Graph& graph) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> exponent(-3, 3);
  std::vector<ChannelScales> scales;
  for (const Coupling* coupling : usable_couplings(graph)) {
    if (coupling->consumers.front().axis != CoupledAxis::Axis::kColumns) continue;
    ChannelScales entry{coupling, {}};
    for (std::int64_t c = 0; c < coupling->channels; ++c) entry.scales.push_back(std::exp2(exponent(random)));
    scales.push_back(std::move(entry));
  }
  return scales;
}

class FoldGoldens : public ::testing::TestWithParam<const char*> {};

TEST_P(FoldGoldens, EqualPyTorchWhateverTheScales) {
  const std::string fixture = GetParam();
  const ModelGraph model = build_model(open_checkpoint((kFixtures / fixture).string()), std::nullopt);
  const std::vector<ChannelScales> scales = random_scales(model.graph);
  ASSERT_FALSE(scales.empty());
  const Folding folding = fold_scales(model.graph, scales, nullptr);
  ASSERT_GE(folding.sources.size(), 2u);
  const Session session(folding.apply(model.graph), {.threads = 1});
  const Tensors outputs = session.run(golden(fixture, "input"));
  std::size_t compared = 0;
  for (const auto& [name, expected] : golden(fixture, "output")) {
    if (name.starts_with("present")) continue;  // caches go round in the variant's own scaling
    ASSERT_TRUE(outputs.contains(name)) << name;
    const std::span<const float> wanted = expected.data<float>(), actual = outputs.at(name).data<float>();
    ASSERT_EQ(actual.size(), wanted.size());
    double largest = 0, worst = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (std::isnan(wanted[i])) continue;
      largest = std::max(largest, std::abs(static_cast<double>(wanted[i])));
      worst = std::max(worst, std::abs(static_cast<double>(wanted[i]) - static_cast<double>(actual[i])));
    }
    EXPECT_LE(worst, 4e-5 * largest) << name;
    ++compared;
  }
  EXPECT_GT(compared, 0u);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, FoldGoldens,
                         ::testing::Values("qwen2-text-generation", "llama-text-generation",
                                           "phi-text-generation", "gpt2-text-generation",
                                           "mistral-text-generation", "bert-text-classification-2"));

TEST(FoldGoldens, PostNormModelsHaveNothingToSmooth) {
  const ModelGraph model = build_model(open_checkpoint(BANTAM_TESTDATA "/sst2-bert-tiny"), std::nullopt);
  const Variant variant{.dtype = DtypeName::kQ8, .smooth = 0.5};
  EXPECT_THROW(require_smoothable(model.graph, variant), Error);
}

}  // namespace
}  // namespace bantam
