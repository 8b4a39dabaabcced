#include "runtime/ops/activation.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "runtime/fuse.h"

namespace bantam {

Activation activation_of(OpNode& node) {
  if (node.node().domain != kInternalDomain) return Activation::kNone;
  constexpr std::array<std::pair<std::string_view, Activation>, 7> kNames = {{
      {"", Activation::kNone},
      {"gelu", Activation::kGeluErf},
      {"gelu_tanh", Activation::kGeluTanh},
      {"relu", Activation::kRelu},
      {"sigmoid", Activation::kSigmoid},
      {"silu", Activation::kSilu},
      {"tanh", Activation::kTanh},
  }};
  const std::string name = node.text("activation", "");
  for (const auto& [known, activation] : kNames) {
    if (known == name) return activation;
  }
  fail("activation \"{}\" is not known", name);
}

}  // namespace bantam
