#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "graph/tensor_source.h"

namespace bantam {

// The two factors of an update, as the tiles of one weight use them.
struct LoraFactors {
  std::vector<float> left;   // [rows, rank]
  std::vector<float> right;  // [rank, width]
};

// Which way a weight lies to its update B * A.
enum class LoraLayout : std::uint8_t {
  kLinear,      // weight [out, in]: rows of B times A
  kTransposed,  // weight [in, out] (Conv1D), embedding [tokens, dim]: columns of A times B transposed
};

struct LoraUpdate {
  LoraLayout layout = LoraLayout::kLinear;
  TensorSourcePtr a;          // [rank, in]; of an embedding [rank, tokens]
  TensorSourcePtr b;          // [out, rank]; of an embedding [dim, rank]
  TensorSourcePtr magnitude;  // DoRA's, one per output; null without
  double scaling = 1;
};

// Error where the update's matrices are not of this rank, or do not fit together or to the base's tensor.
void check_update(const LoraUpdate& update, std::int64_t rank, const TensorSpec& base);

// The factors of the weights that were read last, in float32, so that the tiles of one weight share them and
// memory does not grow with the adapter. Safe from several threads.
class LoraFactorCache {
 public:
  std::shared_ptr<const LoraFactors> get(const LoraUpdate& update);

 private:
  static constexpr std::size_t kKept = 4;
  std::mutex mutex_;
  std::deque<std::pair<const LoraUpdate*, std::shared_ptr<const LoraFactors>>> kept_;
};

// `base` + scaling * B * A in float32, and with DoRA each output scaled to its magnitude (arXiv 2106.09685,
// 2402.09353): PEFT's merge_and_unload, but for rounding to the base's element type. Rows are merged as they
// are read; DoRA on a transposed layout reads the base once more before. Shapes must agree.
TensorSourcePtr make_merged_source(TensorSourcePtr base, LoraUpdate update,
                                   std::shared_ptr<LoraFactorCache> cache);

// `base` + scale * `delta`, both of one dimension, in float32.
TensorSourcePtr make_sum_source(TensorSourcePtr base, TensorSourcePtr delta, double scale);

// `base` with row ids[i] replaced by row i of `rows`, in float32. Ids are in range and differ.
TensorSourcePtr make_replaced_rows(TensorSourcePtr base, std::vector<std::int64_t> ids, TensorSourcePtr rows);

// `source` under another name.
TensorSourcePtr make_renamed_source(TensorSourcePtr source, std::string name);

}  // namespace bantam
