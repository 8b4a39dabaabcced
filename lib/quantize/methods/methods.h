#pragma once

#include "quantize/codec.h"
#include "quantize/methods/factor.h"
#include "quantize/statistics.h"

// Blockwise codecs that differ from blockwise_codec() in how they choose codes, scales and zero points, not
// in what they write: same parts, same decode. All of them promise what every codec does: rows are
// independent, the bytes are the same for any tiles, threads and instruction-set level.
namespace bantam {

// The search of blockwise_codec() with every squared error weighted by the second moment of the input it
// meets (as llama.cpp's importance matrices do), for 4 and 8 bits.
CodecPtr weighted_codec(const BlockwiseOptions& options, const InputStatisticsPtr& input);

// Half-quadratic quantization (Badri and Shaji 2023, mobiusml.github.io/hqq_blog): 20 steps that split the
// error into what the zero point can fit and outliers, which an l_0.7 norm forgives; beta 10, growing by 1 %
// a step. Differences: every zero point is an integer, since portable files have no others, and of the
// integers met on the way the one of least l_0.7 error stays; the scale is refitted afterwards; without zero
// points the same splitting fits the scale.
CodecPtr hqq_codec(const BlockwiseOptions& options);

// GPTQ (see Factor). Each block's grid is fixed before its first column is rounded: the weighted search
// proposes one for the values as the blocks before have left them, and of seven more scales around it the one
// stays with which feedback inside the block loses least. Then `passes` of coordinate descent over d H d^T:
// per block the best scale for its codes (a least-squares refit, rounded to float16), then each code in turn
// to its best value given all others; no step raises the form (`passes` 0 stops after the rounding). Columns
// are rounded in their own order, since a block's grid is chosen at its turn. Rows of zeros, and inputs that
// are always zero, are exact.
CodecPtr gptq_codec(const BlockwiseOptions& options, const InputStatisticsPtr& input, FactorCachePtr factors,
                    int passes = 3);

}  // namespace bantam
