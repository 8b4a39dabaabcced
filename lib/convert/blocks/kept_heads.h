#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "convert/blocks/attention.h"
#include "convert/blocks/layers.h"
#include "convert/head_pruning.h"

namespace bantam {

// The heads of one attention that stay in the graph (HeadPruning says which leave).
struct KeptHeads {
  std::int64_t layer = 0;
  AttentionHeads stored;              // of the checkpoint
  std::vector<std::int64_t> removed;  // ascending, fewer than there are
  std::shared_ptr<const HeadRefit> refit;

  AttentionHeads heads() const {
    return {stored.count - static_cast<std::int64_t>(removed.size()), stored.size};
  }
  // Rows of a projection whose heads are `size` rows each, in order, that stay.
  std::vector<RowRange> rows(std::int64_t size) const;
};

// The heads that stay of attention number `layer`. Errors, naming layer and head, where the pruning names a
// head that does not exist, or all of them.
KeptHeads kept_heads(const Module& module, std::int64_t layer, const AttentionHeads& stored);
// An error if the pruning names a layer from `layers` on. Families that can lose heads call it once.
void check_pruned_layers(const Module& root, std::int64_t layers);

// Leaves the rows of heads that leave out of the weight and the bias of the linear that gives `heads`, [n,
// total * size], where each head has `size` rows. A multiplication may stand between.
void keep_head_rows(const Module& module, ValueId heads, const KeptHeads& kept, std::int64_t size);
// Leaves the columns of heads that leave out of the linear that reads them and gives `output`, and refits it.
// Tells the graph where the heads come together (Graph::attentions).
void keep_head_columns(const Module& module, ValueId output, const KeptHeads& kept);

// Linears to heads and from heads, with both of the above done.
ValueId linear_to_heads(const Module& module, ValueId x, std::int64_t in, const KeptHeads& kept, Role role);
ValueId linear_from_heads(const Module& module, ValueId x, const KeptHeads& kept, std::int64_t out);

}  // namespace bantam
