#pragma once

#include <vector>

#include "pipeline/verify/bundle_view.h"
#include "pipeline/verify/verify.h"

namespace bantam {

// What each dtype of a bundle does on each device, by the operators of its graphs (op_support.h) and the
// rules of transformers.js for which file is the default.
std::vector<VariantOutlook> outlook(const BundleView& view, const Findings& findings);

}  // namespace bantam
