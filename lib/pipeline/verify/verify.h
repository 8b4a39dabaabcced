#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "pipeline/forecast/forecast.h"
#include "pipeline/verify/consumer.h"
#include "pipeline/verify/findings.h"

namespace bantam {

struct VerifyOptions {
  int threads = 1;
  bool run = false;  // also runs every graph once in the native runtime
};

// How a variant fares on a device.
enum class Verdict : std::uint8_t {
  kRuns,
  kPartly,  // runs, but not where it should: operators fall back to the CPU
  kNeeds,   // runs where the device has an optional feature
  kFails,
  kUnknown,  // the graph could not be read, or holds operators that nobody measured
};
std::string_view name(Verdict verdict);

struct Outlook {
  Device device = Device::kWasm;
  Verdict verdict = Verdict::kUnknown;
  bool is_default = false;  // what a page gets there without asking
  bool broken = false;      // fails because of a finding, whatever its operators are
  std::string reason;       // empty for kRuns
};

struct VariantOutlook {
  std::string dtype;
  std::int64_t bytes = 0;            // of its graphs and external data
  std::vector<Outlook> outlooks;     // per device, in the order of devices()
  std::optional<Forecast> forecast;  // nothing: a graph could not be read
};

struct CheckResult {
  std::string name, what;
  std::int64_t errors = 0, warnings = 0;
};

struct VerifyResult {
  std::string path;  // as it was given
  std::string task, model_type;
  std::int64_t files = 0, bytes = 0;
  std::vector<CheckResult> checks;
  std::vector<Finding> findings;
  std::vector<VariantOutlook> variants;

  bool passed() const;  // no error
};

// Replays what transformers.js and onnxruntime-web do with the folder of a bundle, and checks every byte.
// What is wrong becomes a finding; throws Error only for a path that is no folder with a config.json or
// bantam.json, and on Ctrl-C.
VerifyResult verify(const std::filesystem::path& path, const VerifyOptions& options, Progress& progress);

// One screen: what is wrong, and what will run where.
std::string describe_verification(const VerifyResult& result);
// What `verify --json` prints (schemas/verify.schema.json).
std::string verification_json(const VerifyResult& result);

}  // namespace bantam
