#pragma once

#include <string>

#include "pipeline/plan.h"
#include "pipeline/run.h"

namespace bantam {

// What --dry-run shows: model, tensors before and after, files, peak memory.
std::string describe_plan(const Plan& plan);
// What a finished conversion shows: where the bundle is, files and sizes per dtype.
std::string describe_result(const Plan& plan, const BundleResult& result, double seconds);

}  // namespace bantam
