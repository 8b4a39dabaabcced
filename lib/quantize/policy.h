#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "quantize/statistics.h"
#include "quantize/variant.h"

namespace bantam {

// Which nodes read a weight, by what they can be rewritten to.
struct WeightUses {
  std::vector<std::size_t> linears;  // Gemm(x, weight, ...) with transB: a PyTorch Linear
  std::vector<std::size_t> gathers;  // Gather(weight, ids) along axis 0: an embedding
  bool other = false;                // anything else: must stay float
};

// One entry per Graph::weights.
std::vector<WeightUses> find_uses(const Graph& graph);

struct Decision {
  Scheme scheme = Scheme::kFloat;
  int bits = 0;                 // kBlockwise
  std::int64_t block_size = 0;  // kBlockwise
  bool symmetric = true;        // kBlockwise
  // Dynamic INT8: bytes for each element of the activation. Two where one range for all of them would lose
  // the small ones.
  int digits = 1;
  Method method = Method::kSearch;  // kBlockwise
  InputStatisticsPtr input = {};    // what the method needs of the linears' input, if anything
  ActivationGrid grid = {};         // kStaticInt8: of what the linears read
};

// What becomes of every weight under `variant`: the defaults (docs/quantization.md explains each), then the
// user's rules.
std::vector<Decision> decide(const Graph& graph, const std::vector<WeightUses>& uses, const Variant& variant);

// Whether quantized embeddings are looked up by GatherBlockQuantized.
bool fused_lookup(const Graph& graph, const Variant& variant);

// The layer that a tensor's name puts it into; -1: none.
std::int64_t layer_of(std::string_view name);

// Sets the method of every blockwise decision: the variant's, or else default_method(). Searched are
// embeddings, whose rows meet no input; 8-bit blocks, unless the variant names a method; and linears that
// calibration saw nothing of, which `notes` says. Throws a usage error when the variant asks for a method
// that needs statistics and there are none.
void choose_methods(const Graph& graph, const std::vector<WeightUses>& uses, const Variant& variant,
                    const Statistics* statistics, std::vector<Decision>& decisions,
                    std::vector<std::string>& notes);

// Gives every static linear its grid, and those that calibration saw nothing of a dynamic one, which `notes`
// says.
void choose_grids(const Graph& graph, const ActivationRanges& ranges, std::vector<Decision>& decisions,
                  std::vector<std::string>& notes);

// Shell-style pattern with * and ?, over the whole text.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace bantam
