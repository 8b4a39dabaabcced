#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "graph/graph.h"

namespace bantam {

// How the codes of a blockwise weight are read once their operator is gone.
enum class BlockForm : std::uint8_t {
  kSigned,  // int4 or int8 [rows, padded width] for DequantizeLinear, which needs no zero points then
  kPacked,  // uint4 [rows, padded width] and zero points uint4 [rows, blocks], for DequantizeLinear
  kDigits,  // uint8, upper and lower halves of 8-bit codes, for two 4-bit MatMulNBits; see digits_codec()
  kBytes,   // uint8 as they are: 8 bits for DequantizeLinear with zero points, 4 bits to be taken apart
};

// A weight of MatMulNBits or GatherBlockQuantized.
struct BlockWeight {
  std::size_t index = 0;  // of Graph::weights
  std::int64_t bits = 0;
  std::int64_t block = 0;
  std::int64_t rows = 0;
  std::int64_t width = 0;   // codes of a row, with those that fill its last block where they are stored
  std::int64_t blocks = 0;  // of a row
  bool matmul = false;      // read by MatMulNBits
  bool gather = false;      // read by GatherBlockQuantized
  bool shared = false;      // its codes are read by other nodes too
  bool zeros = false;       // has zero points
  BlockForm form = BlockForm::kBytes;
  ValueId codes = kNoValue;        // under the shape and type of the form; of kDigits the upper halves
  ValueId low = kNoValue;          // of kDigits
  ValueId zero_points = kNoValue;  // likewise; kNoValue without
};

// The blockwise weights of those nodes that are to be replaced, in their new forms. Of their codes and zero
// points only those values are left that still have readers.
class BlockWeights {
 public:
  // `replaced`: which of `nodes`. `digits`: whether 4-bit MatMulNBits may read 8-bit weights.
  BlockWeights(Graph& graph, const std::vector<Node>& nodes, const std::vector<bool>& replaced, bool digits);

  // Of a replaced node. Errors where its codes are no stored weight.
  const BlockWeight& of(const Node& node) const;

 private:
  struct Place {
    std::size_t weight, part;
  };
  void note(const Node& node, bool replaced);
  void choose(Graph& graph, BlockWeight& weight) const;

  bool digits_;
  std::map<ValueId, Place> places_;
  std::map<std::size_t, BlockWeight> weights_;
};

}  // namespace bantam
