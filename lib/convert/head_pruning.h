#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "graph/tensor_source.h"

namespace bantam {

// What the heads that stay take over of those that leave: the outputs x_P of the removed ones, as far as
// those that are kept, x_K, predict them linearly. x_P ~ x_K matrix^T + shift, fitted on calibration data
// (least squares).
struct HeadRefit {
  std::vector<float> matrix;  // R: [removed columns, kept columns]
  std::vector<float> shift;  // [removed columns]; empty: the output projection has no bias that could take it
};

// Which attention heads leave a model. Under grouped-query attention a head is a group: a head of keys and
// values with the heads of queries that read it.
struct HeadPruning {
  // Layer -> the heads that leave, ascending. Layers that lose none are not listed.
  std::map<std::int64_t, std::vector<std::int64_t>> removed;
  // Layer -> what its output projection takes over; layers that are not listed just lose columns.
  std::map<std::int64_t, std::shared_ptr<const HeadRefit>> refits;

  std::int64_t count() const;  // heads that leave
};

// Reads "0:1,3;2:0": layer 0 loses heads 1 and 3, layer 2 head 0. Usage errors quote what is wrong.
HeadPruning parse_head_list(std::string_view text);
// The inverse.
std::string head_list(const HeadPruning& pruning);

// The columns of `weight` [out, total] that are not in `removed`, in float32, with the refit's share of the
// others added: W_K + W_P R. `removed` is ascending; `refit` may be null. Rows are made as they are read.
TensorSourcePtr make_kept_columns_source(TensorSourcePtr weight, std::vector<std::int64_t> removed,
                                         std::shared_ptr<const HeadRefit> refit);
// `bias` [out] + W_P shift.
TensorSourcePtr make_refitted_bias_source(TensorSourcePtr bias, TensorSourcePtr weight,
                                          std::vector<std::int64_t> removed,
                                          std::shared_ptr<const HeadRefit> refit);

}  // namespace bantam
