#pragma once

#include "convert/blocks/decoder_config.h"
#include "convert/blocks/kept_heads.h"

namespace bantam {

struct AttentionSizes {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
};

// What of a decoder's attention can leave: a head of keys and values with the heads of queries that read it.
KeptHeads kept_groups(const Module& module, std::int64_t layer, const DecoderConfig& config);
// An error unless every layer loses as many groups: the caches that transformers.js makes all have one shape.
void check_pruned_groups(const Module& root, const DecoderConfig& config);
// Leaves the rows of groups that leave out of the linears that give q, k and v; the numbers of heads that
// stay.
AttentionSizes keep_groups(const Module& module, const KeptHeads& kept, const DecoderConfig& config,
                           ValueId q, ValueId k, ValueId v);

}  // namespace bantam
