#include "runtime/ops/ops.h"

namespace bantam {

std::span<const OpFamily> op_families() {
  static constexpr OpFamily kFamilies[] = {
      attention_ops,
      binary_ops,
      cast_ops,
      concat_ops,
      constant_ops,
      conv_integer_ops,
      conv_ops,
      fused_ops,
      gather_ops,
      gemm_ops,
      linear_attention_ops,
      logic_ops,
      matmul_integer_ops,
      matmul_ops,
      ms_attention_ops,
      ms_fused_ops,
      nbits_ops,
      norm_ops,
      pad_ops,
      pool_ops,
      quantize_ops,
      reduce_ops,
      reshape_ops,
      rotary_ops,
      scan_ops,
      scatter_ops,
      select_ops,
      slice_ops,
      softmax_ops,
      transpose_ops,
      unary_ops,
      where_ops,
  };
  return kFamilies;
}

}  // namespace bantam
