#pragma once

#include <span>

#include "runtime/op.h"

namespace bantam {

using OpFamily = std::span<const OpDef> (*)();

// The one list of op families: a new family is a file here, its declaration, and a line in ops.cc.
std::span<const OpFamily> op_families();

std::span<const OpDef> attention_ops();
std::span<const OpDef> binary_ops();
std::span<const OpDef> cast_ops();
std::span<const OpDef> concat_ops();
std::span<const OpDef> constant_ops();
std::span<const OpDef> conv_integer_ops();
std::span<const OpDef> conv_ops();
std::span<const OpDef> fused_ops();
std::span<const OpDef> gather_ops();
std::span<const OpDef> gemm_ops();
std::span<const OpDef> linear_attention_ops();
std::span<const OpDef> logic_ops();
std::span<const OpDef> matmul_integer_ops();
std::span<const OpDef> matmul_ops();
std::span<const OpDef> ms_attention_ops();
std::span<const OpDef> ms_fused_ops();
std::span<const OpDef> nbits_ops();
std::span<const OpDef> norm_ops();
std::span<const OpDef> pad_ops();
std::span<const OpDef> pool_ops();
std::span<const OpDef> quantize_ops();
std::span<const OpDef> reduce_ops();
std::span<const OpDef> reshape_ops();
std::span<const OpDef> rotary_ops();
std::span<const OpDef> scan_ops();
std::span<const OpDef> scatter_ops();
std::span<const OpDef> select_ops();
std::span<const OpDef> slice_ops();
std::span<const OpDef> softmax_ops();
std::span<const OpDef> transpose_ops();
std::span<const OpDef> unary_ops();
std::span<const OpDef> where_ops();

}  // namespace bantam
