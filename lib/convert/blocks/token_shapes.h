#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "convert/blocks/module.h"

namespace bantam {

// Shapes that begin as that of token ids [batch_size, sequence_length] does, for Reshape. Made at first use
// and shared.
class TokenShapes {
 public:
  // int64 [2 + tail.size()]: batch_size, sequence_length, then `tail`. Always of the same `root` and `ids`.
  ValueId shape(const Module& root, ValueId ids, const std::vector<std::int64_t>& tail) {
    const auto known = made_.find(tail);
    if (known != made_.end()) return known->second;
    const ValueId made = tail.empty()
                             ? root.op("Shape", {ids}, {}, DType::kI64)
                             : root.op("Concat", {shape(root, ids, {}), root.builder().constant(tail)},
                                       {{"axis", std::int64_t{0}}});
    made_.emplace(tail, made);
    return made;
  }

 private:
  std::map<std::vector<std::int64_t>, ValueId> made_;
};

}  // namespace bantam
