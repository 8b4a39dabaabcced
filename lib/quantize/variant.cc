#include "quantize/variant.h"

#include <array>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::array<DtypeNameInfo, 7> kTable = {{
    {DtypeName::kFp32, "fp32", "", false,
     "float32, exact; what transformers.js asks for on WebGPU when nothing is configured"},
    {DtypeName::kFp16, "fp16", "_fp16", true,
     "float16 weights, half the bytes, practically lossless; WebGPU needs shader-f16"},
    {DtypeName::kQ8, "q8", "_quantized", false,
     "dynamic INT8: 8-bit weights and activations, fastest on wasm; not for WebGPU"},
    {DtypeName::kInt8, "int8", "_int8", false, "as q8, with signed 8-bit weights stated in the name"},
    {DtypeName::kUint8, "uint8", "_uint8", false, "as q8, with unsigned 8-bit weights and zero points"},
    {DtypeName::kQ4, "q4", "_q4", false,
     "4-bit weights, float32 activations; smallest that runs on every WebGPU"},
    {DtypeName::kQ4F16, "q4f16", "_q4f16", true,
     "4-bit weights, float16 activations; smallest; WebGPU needs shader-f16"},
}};

}  // namespace

std::span<const DtypeNameInfo> dtype_names() {
  return kTable;
}

const DtypeNameInfo& info(DtypeName dtype) {
  const auto& entry = kTable.at(static_cast<std::size_t>(dtype));
  BANTAM_ASSERT(entry.dtype == dtype);
  return entry;
}

std::optional<DtypeName> dtype_from_name(std::string_view name) {
  for (const DtypeNameInfo& entry : kTable) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

}  // namespace bantam
