#pragma once

#include <cstdint>
#include <span>

#include "convert/blocks/module.h"

// What a block may rescale without changing the model, declared as Graph::couplings. Linears are named by
// their outputs (what linear() returned), norms likewise (what normalize() or Residual::normalize()
// returned). Biases take part by themselves.
namespace bantam {

// A norm's gain (and bias) against the columns of the linears that read it. To be called when all that reads
// it is in the graph, and only if all of that is linears.
void couple_norm(const Module& module, ValueId normed);
// The same for readers behind something that keeps every element in its channel (Reshape, Slice of rows).
void couple_norm(const Module& module, ValueId normed, std::span<const ValueId> readers);

// The rows of values against the columns of the output layer, through attention: `heads` query heads of
// `size` in groups that share one of `kv_heads` values.
struct CoupledHeads {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t size = 0;
  std::int64_t rotated = 0;  // couple_scores: elements of a head that rotate, i together with i + rotated / 2
};
void couple_values(const Module& module, ValueId value, ValueId output, const CoupledHeads& heads);
// The rows of keys against those of the queries that meet them. Declares nothing where more than a
// multiplication by a constant lies between linear and scores: heads that are normalized.
void couple_scores(const Module& module, ValueId query, ValueId key, const CoupledHeads& heads);

// The rows of the factor of a product that no activation bends ("up" of a gated MLP) against the columns of
// the linear that reads the product.
void couple_product(const Module& module, ValueId factor, ValueId reader);

}  // namespace bantam
