// What PyTorch computes once PEFT has merged an adapter (testdata/adapters), by the native runtime over the
// graph of the base and the adapter: within max(1e-5, twice fp32 PyTorch's own distance from fp64) of the
// largest magnitude.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "convert/architecture.h"
#include "convert/lora/adapter.h"
#include "convert/safetensors.h"
#include "runtime/session.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

const fs::path kData = BANTAM_TESTDATA;

std::vector<fs::path> adapters() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(kData / "adapters")) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

Checkpoint base_of(const fs::path& adapter) {
  const Json config = read_json_file(adapter / "adapter_config.json");
  return open_checkpoint(
      (kData / "fixtures" / config.at("base_model_name_or_path").get<std::string>()).string());
}

// Largest difference from the golden as a share of what is allowed; infinite where an output is missing.
double share_of_allowed(const Session& session, const WeightFile& golden) {
  double worst = 0;
  for (const std::string run : {"case0.", "case3."}) {
    Tensors inputs;
    for (const TensorSourcePtr& source : golden.tensors) {
      const std::string& name = source->spec().name;
      if (!name.starts_with(run + "input.")) continue;
      Tensor tensor(source->spec().dtype, source->spec().shape);
      source->read({0, source->spec().rows()}, tensor.mutable_bytes());
      inputs.emplace(name.substr(run.size() + 6), std::move(tensor));
    }
    const Tensors outputs = session.run(inputs);
    for (const TensorSourcePtr& source : golden.tensors) {
      const std::string& name = source->spec().name;
      if (!name.starts_with(run + "output.")) continue;
      const std::string output = name.substr(run.size() + 7);
      const std::vector<float> expected = read_all_as_float(*source);
      const auto actual = outputs.at(output).data<float>();
      if (actual.size() != expected.size()) return INFINITY;
      double scale = 0, difference = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        scale = std::max(scale, std::abs(static_cast<double>(expected[i])));
        difference = std::max(difference, std::abs(static_cast<double>(expected[i]) - actual[i]));
        if (!std::isfinite(actual[i])) return INFINITY;
      }
      const double own = std::stod(golden.metadata.at(run + "fp64_distance." + output));
      worst = std::max(worst, difference / std::max(1e-5 * scale, 2 * own));
    }
  }
  return worst;
}

TEST(AdapterGoldens, MergedModelsEqualPyTorch) {
  ASSERT_GE(adapters().size(), 10U);
  for (const fs::path& adapter : adapters()) {
    SCOPED_TRACE(adapter.filename().string());
    Checkpoint checkpoint = base_of(adapter);
    const WeightFile golden = open_safetensors(adapter / "golden.safetensors");
    merge_adapter(checkpoint, adapter.string());
    EXPECT_LE(share_of_allowed(Session(build_model(checkpoint, std::nullopt).graph), golden), 1.0);
    // The golden tells an adapter from none (a head that the base does not have cannot be left out).
    if (checkpoint.adapter->added > 0) continue;
    EXPECT_GT(share_of_allowed(Session(build_model(base_of(adapter), std::nullopt).graph), golden), 100.0);
  }
}

}  // namespace
}  // namespace bantam
