#pragma once

#include <cstdint>

#include "runtime/kernels/attention.h"
#include "runtime/op.h"

namespace bantam {

// Writes [batch, heads, past + rows, size] to output `index`: the past (null: none) followed by the new rows.
// Returns the view of it. The output need not be wanted.
HeadsView append_to_cache(OpRun& run, int index, const Tensor* past, const HeadsView& rows,
                          std::int64_t batch, std::int64_t heads, std::int64_t count, std::int64_t size);

// An additive bias that broadcasts to [batch, heads, queries, keys], as strides. `mask` has at most four
// axes.
void set_bias(Attention& attention, const Tensor& mask);

}  // namespace bantam
