#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "quantize/methods/factor.h"
#include "quantize/static_ranges.h"
#include "quantize/statistics.h"
#include "quantize/variant.h"

namespace bantam {

// Largest magnitude of a weight, measured over its bytes; nothing when it was not measured.
using MaxAbs = std::function<std::optional<float>(const TensorSource&)>;

// What calibration found, and the memory that methods may use for what they derive from it.
struct Calibrated {
  StatisticsPtr statistics;      // null: nothing is known
  FactorCachePtr factors;        // shared by all variants; needed with statistics
  ActivationRanges ranges = {};  // of the inputs of static linears
};

struct QuantizedGraph {
  Graph graph;
  std::vector<std::string> notes;  // decisions a user should know: weights kept in float32 and why
};

// Rewrites the float32 graph of a model into `variant`. Reads no weight byte: codecs are attached, sources
// stay. The result passes Graph::check(). A static variant needs `calibrated.ranges`.
QuantizedGraph quantize(const Graph& model, const Variant& variant, const MaxAbs& max_abs,
                        const Calibrated& calibrated = {});

}  // namespace bantam
