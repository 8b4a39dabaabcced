#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace bantam {

// Element types that Bantam reads, computes or writes.
enum class DType : std::uint8_t {
  kUndefined,
  kF32,
  kF16,
  kBF16,
  kF64,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
  kI4,
  kU4,
  kString,
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;         // numpy's and MLC's name: "float32"
  std::string_view safetensors;  // "F32"; empty: the format does not have it
  int onnx;                      // TensorProto.DataType
  int bits;                      // 0 for strings
};

// The one list of element types; everything else looks things up in it.
std::span<const DTypeInfo> dtypes();
const DTypeInfo& info(DType dtype);
inline std::string_view name(DType dtype) {
  return info(dtype).name;
}
std::optional<DType> dtype_from_safetensors(std::string_view name);
std::optional<DType> dtype_from_onnx(int code);

bool is_float(DType dtype);
// Bytes of `count` elements; packed types (4 bits) round up to whole bytes.
std::int64_t byte_size(DType dtype, std::int64_t count);

}  // namespace bantam
