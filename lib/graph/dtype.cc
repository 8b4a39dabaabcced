#include "graph/dtype.h"

#include <array>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::array<DTypeInfo, 17> kTable = {{
    {DType::kUndefined, "undefined", "", 0, 0},
    {DType::kF32, "float32", "F32", 1, 32},
    {DType::kF16, "float16", "F16", 10, 16},
    {DType::kBF16, "bfloat16", "BF16", 16, 16},
    {DType::kF64, "float64", "F64", 11, 64},
    {DType::kI64, "int64", "I64", 7, 64},
    {DType::kI32, "int32", "I32", 6, 32},
    {DType::kI16, "int16", "I16", 5, 16},
    {DType::kI8, "int8", "I8", 3, 8},
    {DType::kU64, "uint64", "U64", 13, 64},
    {DType::kU32, "uint32", "U32", 12, 32},
    {DType::kU16, "uint16", "U16", 4, 16},
    {DType::kU8, "uint8", "U8", 2, 8},
    {DType::kBool, "bool", "BOOL", 9, 8},
    {DType::kI4, "int4", "", 22, 4},
    {DType::kU4, "uint4", "", 21, 4},
    {DType::kString, "string", "", 8, 0},
}};

}  // namespace

std::span<const DTypeInfo> dtypes() {
  return kTable;
}

const DTypeInfo& info(DType dtype) {
  const auto& entry = kTable.at(static_cast<std::size_t>(dtype));
  BANTAM_ASSERT(entry.dtype == dtype);
  return entry;
}

std::optional<DType> dtype_from_safetensors(std::string_view name) {
  for (const DTypeInfo& entry : kTable) {
    if (!name.empty() && entry.safetensors == name) return entry.dtype;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_onnx(int code) {
  for (const DTypeInfo& entry : kTable) {
    if (entry.onnx == code) return entry.dtype;
  }
  return std::nullopt;
}

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64;
}

std::int64_t byte_size(DType dtype, std::int64_t count) {
  const int bits = info(dtype).bits;
  BANTAM_ASSERT(bits > 0 && count >= 0);
  return bits >= 8 ? count * (bits / 8) : (count * bits + 7) / 8;
}

}  // namespace bantam
