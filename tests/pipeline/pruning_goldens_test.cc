// Graphs without heads against PyTorch with the same heads masked (scripts/make_pruning_goldens.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "calibrate/heads/masked_heads.h"
#include "convert/architecture.h"
#include "convert/safetensors.h"
#include "runtime/session.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

const fs::path kTestdata = BANTAM_TESTDATA;

struct Case {
  std::string fixture, heads, output;
  std::vector<float> expected;
};

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const TensorSourcePtr& source : open_safetensors(kTestdata / "pruning-golden.safetensors").tensors) {
    const std::string& name = source->spec().name;
    const std::size_t first = name.find('/'), second = name.rfind('/');
    result.push_back({name.substr(0, first), name.substr(first + 1, second - first - 1),
                      name.substr(second + 1), read_all_as_float(*source)});
  }
  return result;
}

// What the fixture's golden file holds of case 0; caches lose the heads that leave by being empty there.
Tensors inputs_of(const Session& session, const std::string& fixture) {
  Tensors inputs;
  for (const TensorSourcePtr& source :
       open_safetensors(kTestdata / "fixtures" / fixture / "golden.safetensors").tensors) {
    constexpr std::string_view kPrefix = "case0.input.";
    if (!source->spec().name.starts_with(kPrefix)) continue;
    const std::string name = source->spec().name.substr(kPrefix.size());
    Tensor tensor(source->spec().dtype, source->spec().shape);
    source->read({0, source->spec().rows()}, tensor.mutable_bytes());
    for (const IoSpec& spec : session.inputs()) {
      if (spec.name != name || !name.starts_with("past_key_values")) continue;
      tensor = Tensor(tensor.dtype(), {tensor.dim(0), spec.dims[1].value, 0, tensor.dim(3)});
    }
    inputs.emplace(name, std::move(tensor));
  }
  return inputs;
}

void expect_near(const Tensor& tensor, const std::vector<float>& expected, std::string_view what) {
  const std::span<const float> actual = tensor.data<float>();
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i])) continue;
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    worst = std::max(worst, std::abs(static_cast<double>(expected[i]) - static_cast<double>(actual[i])));
  }
  EXPECT_LE(worst, 2e-5 * largest) << what;
}

TEST(PruningGoldens, GraphsWithoutHeadsEqualPyTorchWithMaskedOnes) {
  ASSERT_GE(cases().size(), 8u);
  for (const Case& test : cases()) {
    SCOPED_TRACE(test.fixture + " " + test.heads);
    Checkpoint checkpoint = open_checkpoint((kTestdata / "fixtures" / test.fixture).string());
    checkpoint.pruning = parse_head_list(test.heads);
    const Session session(build_model(checkpoint, std::nullopt).graph, {.threads = 2});
    expect_near(session.run(inputs_of(session, test.fixture)).at(test.output), test.expected, test.output);
  }
}

TEST(PruningGoldens, MaskedGraphsEqualPyTorchToo) {
  for (const Case& test : cases()) {
    SCOPED_TRACE(test.fixture + " " + test.heads);
    const Graph graph =
        build_model(open_checkpoint((kTestdata / "fixtures" / test.fixture).string()), std::nullopt).graph;
    HeadSet off;
    for (const auto& [layer, heads] : parse_head_list(test.heads).removed) {
      for (const std::int64_t head : heads) off.insert({layer, head});
    }
    const Session session(with_head_masks(graph), {.threads = 2});
    Tensors inputs = inputs_of(session, test.fixture);
    add_head_masks(graph.attentions, off, inputs);
    expect_near(session.run(inputs).at(test.output), test.expected, test.output);
  }
}

}  // namespace
}  // namespace bantam
