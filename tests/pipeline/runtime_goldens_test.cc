// What PyTorch computed for every fixture, by the native runtime: the float graph as the family builds it,
// within max(1e-5, twice fp32 PyTorch's own distance from fp64) of the output's largest magnitude, which is
// the bound that onnxruntime is held to. Quantized variants only have to run, stay finite and stay near.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>

#include "base/error.h"
#include "convert/architecture.h"
#include "convert/safetensors.h"
#include "quantize/quantize.h"
#include "runtime/session.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

struct GoldenCase {
  Tensors inputs;
  std::map<std::string, std::vector<float>> outputs;
  std::map<std::string, double> fp64_distance;
};

std::vector<GoldenCase> read_goldens(const fs::path& path) {
  const WeightFile file = open_safetensors(path);
  std::map<std::string, GoldenCase> cases;
  for (const TensorSourcePtr& source : file.tensors) {
    const std::string& key = source->spec().name;  // case0.input.input_ids
    const std::size_t first = key.find('.');
    const std::size_t second = key.find('.', first + 1);
    GoldenCase& golden = cases[key.substr(0, first)];
    const std::string name = key.substr(second + 1);
    if (key.substr(first + 1, second - first - 1) == "input") {
      Tensor tensor(source->spec().dtype, source->spec().shape);
      source->read({0, source->spec().rows()}, tensor.mutable_bytes());
      golden.inputs[name] = std::move(tensor);
    } else {
      golden.outputs[name] = read_all_as_float(*source);
      golden.fp64_distance[name] =
          std::stod(file.metadata.at(key.substr(0, first) + ".fp64_distance." + name));
    }
  }
  std::vector<GoldenCase> list;
  for (auto& [name, golden] : cases) list.push_back(std::move(golden));
  return list;
}

double largest(const std::vector<float>& values) {
  double result = 0;
  for (const float value : values) result = std::max(result, std::abs(static_cast<double>(value)));
  return result;
}

// The largest difference as a share of the expected largest magnitude; infinite when something is not finite.
double error_of(const Tensor& tensor, const std::vector<float>& expected) {
  const auto actual = tensor.data<float>();
  if (actual.size() != expected.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - expected[i]);
    worst = std::isfinite(difference) ? std::max(worst, difference) : INFINITY;
  }
  return worst / largest(expected);
}

// Ties two weights that are not equal: refused when the weights are read, so it has no graph to run.
constexpr std::string_view kRefused = "bert-fill-mask-other-decoder";

std::vector<fs::path> fixtures() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(fs::path(BANTAM_TESTDATA) / "fixtures")) {
    const bool runs = entry.path().filename() != kRefused;
    if (runs && fs::exists(entry.path() / "golden.safetensors")) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

TEST(RuntimeGoldens, FloatGraphsEqualPyTorch) {
  ASSERT_GE(fixtures().size(), 100u);
  double worst_share = 0;
  for (const fs::path& folder : fixtures()) {
    SCOPED_TRACE(folder.filename().string());
    const ModelGraph model = build_model(open_checkpoint(folder.string()), std::nullopt);
    for (const bool fuse : {true, false}) {
      SessionOptions options;
      options.fuse = fuse;
      options.threads = 2;
      const Session session(model.graph, options);
      for (const GoldenCase& golden : read_goldens(folder / "golden.safetensors")) {
        const Tensors outputs = session.run(golden.inputs);
        for (const auto& [name, expected] : golden.outputs) {
          const double allowed = std::max(1e-5, 2 * golden.fp64_distance.at(name) / largest(expected));
          const double error = error_of(outputs.at(name), expected);
          EXPECT_LE(error, allowed) << name << (fuse ? "" : " without fusion");
          worst_share = std::max(worst_share, error / allowed);
        }
      }
    }
  }
  std::cout << fixtures().size() << " fixtures; the worst error is " << worst_share
            << " of what is allowed\n";
}

TEST(RuntimeGoldens, RefusesWeightsThatAreTiedAndDiffer) {
  const fs::path folder = fs::path(BANTAM_TESTDATA) / "fixtures" / kRefused;
  const ModelGraph model = build_model(open_checkpoint(folder.string()), std::nullopt);
  try {
    const Session session(model.graph);
    FAIL() << "it runs";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("differs from"), std::string::npos) << error.message();
  }
}

TEST(RuntimeGoldens, QuantizedGraphsRunAndStayNear) {
  // Tiny random models with weights of a few dozen columns: the bounds say "the right graph", not "good
  // quality".
  const std::pair<DtypeName, double> variants[] = {{DtypeName::kFp16, 0.1},  // one logit, near zero
                                                   {DtypeName::kQ8, 0.6},    {DtypeName::kInt8, 0.6},
                                                   {DtypeName::kUint8, 0.6}, {DtypeName::kQ4, 1.2},
                                                   {DtypeName::kQ4F16, 1.2}};
  const MaxAbs max_abs = [](const TensorSource& source) -> std::optional<float> {
    return static_cast<float>(largest(read_all_as_float(source)));
  };
  for (const fs::path& folder : fixtures()) {
    SCOPED_TRACE(folder.filename().string());
    const ModelGraph model = build_model(open_checkpoint(folder.string()), std::nullopt);
    for (const auto& [dtype, bound] : variants) {
      Variant variant;
      variant.dtype = dtype;
      const QuantizedGraph quantized = quantize(model.graph, variant, max_abs);
      double worst[2] = {};
      for (const bool fuse : {true, false}) {
        SessionOptions options;
        options.fuse = fuse;
        const Session session(quantized.graph, options);
        for (const GoldenCase& golden : read_goldens(folder / "golden.safetensors")) {
          const Tensors outputs = session.run(golden.inputs);
          for (const auto& [name, expected] : golden.outputs)
            worst[fuse] = std::max(worst[fuse], error_of(outputs.at(name), expected));
        }
        EXPECT_LE(worst[fuse], bound) << name(dtype) << (fuse ? "" : " without fusion");
      }
    }
  }
}

}  // namespace
}  // namespace bantam
