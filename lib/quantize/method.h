#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace bantam {

// How the codes and scales of blockwise weights are chosen. Files look the same for all of them.
enum class Method : std::uint8_t { kRtn, kSearch, kWeighted, kHqq, kAwq, kGptq };

// What a method must know about a linear's input.
enum class MethodNeeds : std::uint8_t { kNothing, kMoments, kHessian };

struct MethodInfo {
  Method method;
  std::string_view name;  // on the command line, in recipes and manifests: "gptq"
  MethodNeeds needs;
  std::string_view summary;
};

std::span<const MethodInfo> methods();
const MethodInfo& info(Method method);
inline std::string_view name(Method method) {
  return info(method).name;
}
std::optional<Method> method_from_name(std::string_view name);

// What is used when nobody asks: the best, measured on trained models (docs/quantization.md), of those that
// can be had.
constexpr Method default_method(bool has_hessians) {
  return has_hessians ? Method::kGptq : Method::kSearch;
}

}  // namespace bantam
