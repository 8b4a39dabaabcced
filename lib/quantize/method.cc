#include "quantize/method.h"

#include <array>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::array<MethodInfo, 6> kMethods = {{
    {Method::kRtn, "rtn", MethodNeeds::kNothing,
     "round to nearest: the plain scale of each block, no search"},
    {Method::kSearch, "search", MethodNeeds::kNothing,
     "least-squares search of each block's scale (and zero point): the default without statistics"},
    {Method::kWeighted, "weighted", MethodNeeds::kMoments,
     "the search, weighted by the second moments of the input"},
    {Method::kHqq, "hqq", MethodNeeds::kNothing,
     "half-quadratic quantization: a norm that forgives outliers"},
    {Method::kAwq, "awq", MethodNeeds::kMoments,
     "rescales channels first so that those with large activations lose less, then as weighted"},
    {Method::kGptq, "gptq", MethodNeeds::kHessian,
     "passes each rounding error on to the weights that can make up for it: the default with statistics"},
}};

}  // namespace

std::span<const MethodInfo> methods() {
  return kMethods;
}

const MethodInfo& info(Method method) {
  const MethodInfo& entry = kMethods.at(static_cast<std::size_t>(method));
  BANTAM_ASSERT(entry.method == method);
  return entry;
}

std::optional<Method> method_from_name(std::string_view name) {
  for (const MethodInfo& entry : kMethods) {
    if (entry.name == name) return entry.method;
  }
  return std::nullopt;
}

}  // namespace bantam
