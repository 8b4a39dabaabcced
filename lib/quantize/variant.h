#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/role.h"
#include "quantize/method.h"
#include "quantize/static_ranges.h"

namespace bantam {

// The dtypes of transformers.js, by its names.
enum class DtypeName { kFp32, kFp16, kQ8, kInt8, kUint8, kQ4, kQ4F16 };

struct DtypeNameInfo {
  DtypeName dtype;
  std::string_view name;     // as on the command line: "q8"
  std::string_view suffix;   // of the session file: "_quantized"
  bool half;                 // activations and scales in float16
  std::string_view summary;  // one line for --help: what it is and when to use it
};

std::span<const DtypeNameInfo> dtype_names();
const DtypeNameInfo& info(DtypeName dtype);
inline std::string_view name(DtypeName dtype) {
  return info(dtype).name;
}
std::optional<DtypeName> dtype_from_name(std::string_view name);

// q4 and q4f16: linears are blocks of four bits.
inline bool has_four_bits(DtypeName dtype) {
  return dtype == DtypeName::kQ4 || dtype == DtypeName::kQ4F16;
}
// q8, int8 and uint8: linears read activations in eight bits.
inline bool quantizes_activations(DtypeName dtype) {
  return dtype == DtypeName::kQ8 || dtype == DtypeName::kInt8 || dtype == DtypeName::kUint8;
}

// How one weight is stored and which operator reads it.
enum class Scheme {
  kFloat,         // as the variant's float type
  kDynamicInt8,   // DynamicQuantizeLinear + MatMulInteger, s8 weights
  kDynamicUint8,  // the same with u8 weights and zero points
  kStaticInt8,    // activations on a grid from calibration, s8 weights
  kBlockwise,     // MatMulNBits / GatherBlockQuantized
};

// Layers [first, last] by the first number in a tensor's name ("model.layers.3.mlp.up_proj.weight": 3).
struct LayerRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

// A user's exception to the defaults; the last rule that matches a weight wins.
struct Rule {
  std::optional<Role> role = {};          // matches weights of this role
  std::string match = {};                 // glob over tensor names ("encoder.layer.0.*"); empty matches all
  std::optional<LayerRange> layers = {};  // matches weights of these layers
  bool keep = false;                      // leave in the variant's float type
  int bits = 0;                           // 4 or 8: store blockwise with so many bits; 0: the default
  // With bits: elements per scale, and whether there is no zero point. Nothing: as the bits have it by
  // default.
  std::optional<std::int64_t> block_size = {};
  std::optional<bool> symmetric = {};
};

struct Variant {
  DtypeName dtype = DtypeName::kFp32;
  // Blockwise weights: elements per scale, along the input axis; power of two, 16 to 256.
  std::int64_t block_size = 32;
  // Symmetric blocks have no zero points: fastest everywhere. Asymmetric ones cost 4/block bits and lose
  // less.
  bool symmetric = true;
  // Embeddings in blocks by one operator (GatherBlockQuantized) or by several that run everywhere. Nothing:
  // as policy has it (fused_lookup()).
  std::optional<bool> fused_embeddings = {};
  // How blockwise linears are quantized; nothing: default_method().
  std::optional<Method> method = {};
  // q8 and int8: ranges of activations come from calibration.
  std::optional<StaticInt8> static_int8 = {};
  // q8, int8, uint8: channels between norms and linears are rescaled (fold_smooth()) with this exponent,
  // above 0 and at most 1.
  std::optional<double> smooth = {};
  std::vector<Rule> rules = {};
};

}  // namespace bantam
