#include "pipeline/verify/checks.h"
#include "pipeline/verify/outlook.h"

namespace bantam {

// Of what a page asks for by name, the outlook tells; what it gets without asking should run.
void check_operators(Verification& verification) {
  const BundleView& view = verification.bundle;
  for (const VariantOutlook& variant : outlook(view, verification.findings)) {
    for (const Outlook& entry : variant.outlooks) {
      const bool sound = entry.verdict == Verdict::kRuns || entry.verdict == Verdict::kNeeds;
      if (!entry.is_default || sound || entry.broken) continue;
      verification.findings.warning("", "the default on {} is {}: {}", name(entry.device), variant.dtype,
                                    entry.reason);
    }
  }
}

}  // namespace bantam
