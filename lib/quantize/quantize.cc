#include "quantize/quantize.h"

#include <algorithm>

#include "base/error.h"
#include "quantize/policy.h"
#include "quantize/schemes/schemes.h"

namespace bantam {

QuantizedGraph quantize(const Graph& model, const Variant& variant, const MaxAbs& max_abs,
                        const Calibrated& calibrated) {
  return with_context(name(variant.dtype), [&] {
    QuantizedGraph result{model, {}};
    result.graph.couplings.clear();  // they speak of the weights as they were
    const std::vector<WeightUses> uses = find_uses(model);
    std::vector<Decision> decisions = decide(model, uses, variant);
    choose_methods(model, uses, variant, calibrated.statistics.get(), decisions, result.notes);
    if (variant.static_int8) choose_grids(model, calibrated.ranges, decisions, result.notes);
    rewrite_quantized(result.graph, decisions, fused_lookup(model, variant), calibrated.factors,
                      variant.static_int8.value_or(StaticInt8{}).format);
    if (const auto wide =
            std::ranges::count_if(decisions, [](const Decision& each) { return each.digits > 1; });
        wide > 0) {
      result.notes.push_back(fmt::format(
          "{} weights of gated layers (mlp_down) read activations of two bytes: what they read is a product, whose few "
          "large values would cost all others their precision in one",
          wide));
    }
    if (info(variant.dtype).half) convert_to_half(result.graph, max_abs, result.notes);
    result.graph.check();
    return result;
  });
}

}  // namespace bantam
