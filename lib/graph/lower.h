#pragma once

#include <cstdint>
#include <string_view>

#include "graph/graph.h"

namespace bantam {

// Which operators a graph may hold.
enum class Operators : std::uint8_t {
  kFused,     // all that the onnxruntime of today has: one node for what its kernels do at once
  kWeb122,    // those of onnxruntime 1.21 and onnxruntime-web 1.22, which transformers.js 3 brings: no 8-bit
              // MatMulNBits, no GatherBlockQuantized over uint8, no GroupQueryAttention with a bias
  kStandard,  // those of ONNX alone, opset 21
};

// Replaces every node that `allowed` excludes by nodes that compute the same (lower/lower.cc lists them);
// nodes that only served the replaced ones go too, and so do the domains that are no longer used. 4- and
// 8-bit weights stay in blocks of 4 and 8 bits: DequantizeLinear reads them. Covers operators in the form in
// which families emit them: rows [n, K] into MatMulNBits, [batch, sequence, heads * size] into
// GroupQueryAttention with all keys for all texts, and so on; another form, and an operator that is not known
// here, is an Error that names the node. Values of half precision stay so, but norms are computed in float32.
// The result passes Graph::check().
void lower_operators(Graph& graph, Operators allowed);

}  // namespace bantam
