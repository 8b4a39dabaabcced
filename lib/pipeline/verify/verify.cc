#include "pipeline/verify/verify.h"

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "pipeline/verify/checks.h"
#include "pipeline/verify/outlook.h"

namespace fs = std::filesystem;

namespace bantam {

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRuns:
      return "runs";
    case Verdict::kPartly:
      return "partly";
    case Verdict::kNeeds:
      return "needs f16";
    case Verdict::kFails:
      return "fails";
    case Verdict::kUnknown:
      return "unknown";
  }
  BANTAM_ASSERT(false);
}

bool VerifyResult::passed() const {
  return std::ranges::none_of(findings,
                              [](const Finding& finding) { return finding.severity == Severity::kError; });
}

VerifyResult verify(const fs::path& path, const VerifyOptions& options, Progress& progress) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    if (!fs::exists(path, error)) fail("{}: does not exist", path.string());
    fail("{}: is not a folder; give the folder of a bundle", path.string());
  }
  if (!fs::exists(path / "bantam.json", error) && !fs::exists(path / "config.json", error)) {
    fail("{}: holds neither bantam.json nor config.json, so it is no bundle; bantam convert makes one",
         path.string());
  }
  BundleView view;
  view.root = path;
  Findings findings;
  Verification verification{view, options, findings, progress};
  VerifyResult result;
  for (const Check& check : checks()) {
    check_cancelled();
    findings.begin(check.name);
    try {
      check.run(verification);
    } catch (const Error& failure) {
      if (failure.code() == ErrorCode::kCancelled) throw;
      findings.error("", "{}", failure.message());
    }
    result.checks.push_back({std::string(check.name), std::string(check.what),
                             findings.count(check.name, Severity::kError),
                             findings.count(check.name, Severity::kWarning)});
  }
  result.path = path.string();
  result.task = view.task();
  result.model_type = view.model_type();
  result.files = std::ssize(view.files);
  for (const auto& [name, file] : view.files) result.bytes += file.bytes;
  result.findings = findings.all();
  result.variants = outlook(view, findings);
  return result;
}

}  // namespace bantam
