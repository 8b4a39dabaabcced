#pragma once

#include <span>
#include <string_view>

#include "base/progress.h"
#include "pipeline/verify/bundle_view.h"
#include "pipeline/verify/findings.h"
#include "pipeline/verify/verify.h"

namespace bantam {

// What a check works on. Checks run in the order of their list: each may use what those before it read into
// `bundle`.
struct Verification {
  BundleView& bundle;
  const VerifyOptions& options;
  Findings& findings;
  Progress& progress;
};

// One rule, or a group of rules about one thing. An Error that leaves run() becomes a finding.
struct Check {
  std::string_view name;  // "shards"
  std::string_view what;  // one line: what holds when it finds nothing
  void (*run)(Verification& verification);
};

// The one list of checks, in check_list.cc.
std::span<const Check> checks();

}  // namespace bantam
