#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/dtype.h"
#include "graph/shape.h"
#include "graph/tensor_source.h"

namespace bantam {

// One stored tensor that a codec makes of a weight.
struct PartSpec {
  std::string suffix;               // appended to the weight's name: "", "_q4", "_scales"
  DType dtype = DType::kUndefined;  // what encode() writes
  Shape shape;                      // as stored
  // encode() always yields bytes in the order of the weight's rows. When set, the stored tensor is the
  // transpose of that [rows, columns] matrix (MatMulInteger wants [in, out]); the writer transposes.
  bool transposed = false;

  std::int64_t bytes() const { return byte_size(dtype, element_count(shape)); }
};

// How a weight becomes bytes. Arithmetic only: no names, no graph, no I/O. Immutable and thread-safe.
// Every row is encoded on its own, so that any split into row tiles gives the same bytes.
class Codec {
 public:
  virtual ~Codec() = default;
  // Identifies the arithmetic, e.g. "int4/block=32/symmetric". Weights with the same source and key are
  // encoded once.
  virtual std::string key() const = 0;
  // The parts of a weight [rows, ...] seen as a matrix [rows, width].
  virtual std::vector<PartSpec> parts(const TensorSpec& weight) const = 0;
  // `rows` holds whole rows of `width` floats; parts[i] takes exactly the bytes of those rows of part i.
  // Throws Error when a value cannot be represented (not finite, out of range).
  virtual void encode(std::span<const float> rows, std::int64_t width,
                      std::span<const std::span<std::byte>> parts) const = 0;
  // True for raw_codec(): part 0 is the source's bytes as they are; encode and decode are never called.
  virtual bool is_raw() const { return false; }
  // The inverse: the floats that a runtime sees. parts[i] holds the bytes of the same rows.
  virtual void decode(std::span<const std::span<const std::byte>> parts, std::int64_t width,
                      std::span<float> rows) const = 0;
};
using CodecPtr = std::shared_ptr<const Codec>;

// Stores floats as they are (part 0, kF32). Part dtypes kF16/kBF16 are made by the writer's final cast.
CodecPtr float_codec();
// Stores the source's bytes unchanged, whatever their type: integers, packed 4-bit values and F64 of imported
// graphs.
CodecPtr raw_codec();

// The same bytes under another type and shape, as far as a part is named: unsigned codes as uint4, say. With
// `flip` every byte is combined with it by exclusive or: 0x88 turns the 4-bit codes of a zero point 8 into
// int4, 0x80 the 8-bit codes of a zero point 128 into int8. A raw codec cannot flip.
struct PartCast {
  std::size_t part = 0;
  DType dtype = DType::kUndefined;
  Shape shape;  // holds as many bytes
  std::byte flip{0};
};
CodecPtr recast_codec(CodecPtr codec, std::vector<PartCast> casts);
// The 8-bit codes of part 0 as two parts of 4 bits, their upper and their lower halves ("_high", "_low"),
// each two to a byte, low bits first, in the order of the codes: what a runtime without 8-bit operators reads
// as two 4-bit weights.
CodecPtr digits_codec(CodecPtr codec);

}  // namespace bantam
