#include "convert/blocks/activation.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace bantam {
namespace {

ValueId gelu(const Module& m, ValueId x) {
  return m.op("Gelu", {x}, {}, DType::kUndefined, kMicrosoft);
}
ValueId gelu_tanh(const Module& m, ValueId x) {
  return m.op("FastGelu", {x}, {}, DType::kUndefined, kMicrosoft);
}
ValueId relu(const Module& m, ValueId x) {
  return m.op("Relu", {x});
}
ValueId tanh(const Module& m, ValueId x) {
  return m.op("Tanh", {x});
}
// QuickGelu is x * sigmoid(alpha x); SiLU is its case alpha = 1.
ValueId quick_gelu(const Module& m, ValueId x) {
  return m.op("QuickGelu", {x}, {{"alpha", 1.702F}}, DType::kUndefined, kMicrosoft);
}
ValueId silu(const Module& m, ValueId x) {
  return m.op("QuickGelu", {x}, {{"alpha", 1.0F}}, DType::kUndefined, kMicrosoft);
}

struct Activation {
  std::string_view name;
  ValueId (*emit)(const Module& module, ValueId x);
};

// Several names stand for one formula that was written in different ways over time: "gelu" is exact (erf,
// arXiv:1606.08415), the others with tanh are 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
constexpr std::array<Activation, 12> kTable = {{
    {"gelu", gelu},
    {"gelu_python", gelu},
    {"gelu_new", gelu_tanh},
    {"gelu_fast", gelu_tanh},
    {"gelu_accurate", gelu_tanh},
    {"gelu_pytorch_tanh", gelu_tanh},
    {"gelu_python_tanh", gelu_tanh},
    {"quick_gelu", quick_gelu},
    {"relu", relu},
    {"silu", silu},
    {"swish", silu},
    {"tanh", tanh},
}};

const Activation* find(std::string_view name) {
  const auto* found =
      std::find_if(kTable.begin(), kTable.end(), [&](const Activation& a) { return a.name == name; });
  return found == kTable.end() ? nullptr : found;
}

}  // namespace

std::string activation_of(const Config& config, std::string_view key, std::string_view fallback) {
  std::string name = config.string_or(key, fallback);
  if (find(name) != nullptr) return name;
  std::string known;
  for (const Activation& activation : kTable) {
    if (!known.empty()) known += ", ";
    known += activation.name;
  }
  fail("{}: {} is \"{}\", an activation that is not known here; known: {}", config.path().string(), key, name,
       known);
}

ValueId activate(const Module& module, ValueId x, std::string_view activation) {
  const Activation* found = find(activation);
  BANTAM_ASSERT(found != nullptr);
  return found->emit(module, x);
}

}  // namespace bantam
