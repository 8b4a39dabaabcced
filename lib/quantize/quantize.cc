#include "quantize/quantize.h"

#include "base/error.h"
#include "quantize/policy.h"
#include "quantize/schemes/schemes.h"

namespace bantam {

QuantizedGraph quantize(const Graph& model, const Variant& variant, const MaxAbs& max_abs) {
  return with_context(name(variant.dtype), [&] {
    QuantizedGraph result{model, {}};
    const std::vector<WeightUses> uses = find_uses(model);
    rewrite_quantized(result.graph, decide(model, uses, variant));
    if (info(variant.dtype).half) convert_to_half(result.graph, max_abs, result.notes);
    result.graph.check();
    return result;
  });
}

}  // namespace bantam
