#pragma once

#include <cstdint>

#include "convert/blocks/decoder_inputs.h"

namespace bantam {

// Causal self-attention with a cache of keys and values, where groups of `heads / kv_heads` heads share a key
// and a value (arXiv:2305.13245).
struct CachedAttention {
  std::int64_t layer = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t size = 0;       // of a head; a multiple of 8
  double scale = 0;            // of scores; 0: 1 / sqrt(size)
  std::int64_t window = 0;     // a token attends to itself and the window - 1 before it; 0: to all before it
  const Rope* rope = nullptr;  // turns queries and keys by position; null: positions are in the embeddings
};

// q, k and v are rows [batch_size * sequence_length, heads (or kv_heads) * size]; so is the result, with
// `heads`. One GroupQueryAttention (com.microsoft). The caches become inputs and outputs of the graph.
ValueId attend_cached(const Module& module, DecoderInputs& inputs, ValueId q, ValueId k, ValueId v,
                      const CachedAttention& attention);

}  // namespace bantam
