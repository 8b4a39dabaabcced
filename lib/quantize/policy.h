#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"
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
  int bits = 0;                  // kBlockwise
  std::int64_t block_size = 0;   // kBlockwise
  bool symmetric = true;         // kBlockwise
  // Stays with float activations where the dtype would quantize them, because of what it reads.
  bool spared = false;
};

// What becomes of every weight under `variant`: the defaults (docs/quantization.md explains each), then the user's rules.
std::vector<Decision> decide(const Graph& graph, const std::vector<WeightUses>& uses, const Variant& variant);

// Whether quantized embeddings are looked up by GatherBlockQuantized.
bool fused_lookup(const Graph& graph, const Variant& variant);

// The layer that a tensor's name puts it into; -1: none.
std::int64_t layer_of(std::string_view name);

// Shell-style pattern with * and ?, over the whole text.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace bantam
