// What PyTorch computed for every fixture, by the native runtime: the float graph as the family builds it,
// within max(1e-5, twice fp32 PyTorch's own distance from fp64) of the output's largest magnitude, which is
// the bound that onnxruntime is held to. Quantized variants only have to run, stay finite and stay near.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/float16.h"
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
    if (!key.starts_with("case")) continue;
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
  for (const float value : values) {
    if (!std::isnan(value)) result = std::max(result, std::abs(static_cast<double>(value)));
  }
  return result;
}

// The floats of a tensor, also of a half-precision one.
std::vector<float> floats_of(const Tensor& tensor) {
  std::vector<float> values;
  if (tensor.dtype() == DType::kF16) {
    for (const std::uint16_t bits : tensor.data<std::uint16_t>()) values.push_back(fp16_to_float(bits));
  } else {
    const auto data = tensor.data<float>();
    values.assign(data.begin(), data.end());
  }
  return values;
}

// Inputs as the session takes them: half-precision graphs have half-precision caches.
Tensors fed(const Session& session, const Tensors& inputs) {
  Tensors result = inputs;
  for (const IoSpec& spec : session.inputs()) {
    if (spec.dtype != DType::kF16) continue;
    Tensor& tensor = result.at(spec.name);
    Tensor half(DType::kF16, tensor.shape());
    const auto from = tensor.data<float>();
    std::ranges::transform(from, half.mutable_data<std::uint16_t>().begin(), float_to_fp16);
    tensor = std::move(half);
  }
  return result;
}

// The largest difference as a share of the expected largest magnitude; infinite when something is not finite.
// Where NaN is expected (a decoder's outputs at padding) any finite value will do.
double error_of(const Tensor& tensor, const std::vector<float>& expected) {
  const std::vector<float> actual = floats_of(tensor);
  if (actual.size() != expected.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double wanted = std::isnan(expected[i]) ? actual[i] : expected[i];
    const double difference = std::abs(static_cast<double>(actual[i]) - wanted);
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
        const Tensors outputs = session.run(fed(session, golden.inputs));
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

Tensor tensor_of(const TensorSource& source) {
  Tensor tensor(source.spec().dtype, source.spec().shape);
  source.read({0, source.spec().rows()}, tensor.mutable_bytes());
  return tensor;
}

// A left-padded batch and its continuation, as generate() of transformers gave it.
struct Greedy {
  Tensor ids, mask, tokens;
};
std::optional<Greedy> read_greedy(const fs::path& path) {
  Greedy greedy;
  for (const TensorSourcePtr& source : open_safetensors(path).tensors) {
    const std::string& name = source->spec().name;
    if (name == "greedy.input_ids") greedy.ids = tensor_of(*source);
    if (name == "greedy.attention_mask") greedy.mask = tensor_of(*source);
    if (name == "greedy.tokens") greedy.tokens = tensor_of(*source);
  }
  return greedy.tokens.defined() ? std::optional(greedy) : std::nullopt;
}

// The next token of every text, by the logits of its last position: [batch, 1].
Tensor best(const Tensor& logits) {
  const std::int64_t width = logits.dim(2);
  const auto values = logits.data<float>();
  Tensor tokens(DType::kI64, {logits.dim(0), 1});
  for (std::int64_t b = 0; b < logits.dim(0); ++b) {
    const auto row = values.subspan(static_cast<std::size_t>(((b + 1) * logits.dim(1) - 1) * width),
                                    static_cast<std::size_t>(width));
    tokens.mutable_data<std::int64_t>()[static_cast<std::size_t>(b)] =
        std::ranges::max_element(row) - row.begin();
  }
  return tokens;
}

// mask [batch, n] with one more column of ones.
Tensor grown(const Tensor& mask) {
  Tensor result(DType::kI64, {mask.dim(0), mask.dim(1) + 1});
  auto to = result.mutable_data<std::int64_t>().begin();
  for (std::int64_t b = 0; b < mask.dim(0); ++b) {
    to = std::ranges::copy(mask.data<std::int64_t>().subspan(static_cast<std::size_t>(b * mask.dim(1)),
                                                             static_cast<std::size_t>(mask.dim(1))),
                           to)
             .out;
    *to++ = 1;
  }
  return result;
}

// As transformers.js numbers the last `count` positions.
Tensor positions_of(const Tensor& mask, std::int64_t count) {
  Tensor positions(DType::kI64, {mask.dim(0), count});
  for (std::int64_t b = 0; b < mask.dim(0); ++b) {
    std::int64_t seen = 0;
    for (std::int64_t i = 0; i < mask.dim(1); ++i) {
      const bool real = mask.data<std::int64_t>()[static_cast<std::size_t>(b * mask.dim(1) + i)] != 0;
      seen += real ? 1 : 0;
      const std::int64_t at = i - (mask.dim(1) - count);
      if (at >= 0)
        positions.mutable_data<std::int64_t>()[static_cast<std::size_t>(b * count + at)] =
            real ? seen - 1 : 1;
    }
  }
  return positions;
}

std::vector<std::int64_t> continue_greedily(const Session& session, const Greedy& greedy) {
  Tensors inputs = {{"input_ids", greedy.ids}, {"attention_mask", greedy.mask}};
  inputs["num_logits_to_keep"] = Tensor(DType::kI64, {});
  inputs["num_logits_to_keep"].mutable_data<std::int64_t>()[0] = 1;
  for (const IoSpec& spec : session.inputs()) {
    if (spec.name.starts_with("past_key_values."))
      inputs[spec.name] = Tensor(spec.dtype, {greedy.ids.dim(0), spec.dims[1].value, 0, spec.dims[3].value});
  }
  std::vector<std::int64_t> tokens(greedy.tokens.data<std::int64_t>().size());
  for (std::int64_t step = 0; step < greedy.tokens.dim(1); ++step) {
    inputs["position_ids"] = positions_of(inputs.at("attention_mask"), inputs.at("input_ids").dim(1));
    const Tensors outputs = session.run(inputs);
    const Tensor next = best(outputs.at("logits"));
    for (std::int64_t b = 0; b < next.dim(0); ++b) {
      tokens[static_cast<std::size_t>(b * greedy.tokens.dim(1) + step)] =
          next.data<std::int64_t>()[static_cast<std::size_t>(b)];
    }
    inputs["input_ids"] = next;
    inputs["attention_mask"] = grown(inputs.at("attention_mask"));
    for (auto& [name, tensor] : inputs) {
      if (name.starts_with("past_key_values.")) tensor = outputs.at("present." + name.substr(16));
    }
  }
  return tokens;
}

TEST(RuntimeGoldens, ContinuesTextsWithTheTokensOfPyTorch) {
  int decoders = 0;
  for (const fs::path& folder : fixtures()) {
    const auto greedy = read_greedy(folder / "golden.safetensors");
    if (!greedy) continue;
    SCOPED_TRACE(folder.filename().string());
    ++decoders;
    const Session session(build_model(open_checkpoint(folder.string()), std::nullopt).graph);
    const auto wanted = greedy->tokens.data<std::int64_t>();
    EXPECT_EQ(continue_greedily(session, *greedy), std::vector<std::int64_t>(wanted.begin(), wanted.end()));
  }
  EXPECT_GE(decoders, 23);
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
          const Tensors outputs = session.run(fed(session, golden.inputs));
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
