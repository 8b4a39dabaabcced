#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "graph/dtype.h"
#include "graph/shape.h"

namespace bantam {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kUndefined;
  Shape shape;

  std::int64_t bytes() const { return byte_size(dtype, element_count(shape)); }
  // Rows run along the first axis; a scalar is one row of one element.
  std::int64_t rows() const { return shape.empty() ? 1 : shape[0]; }
  // Elements per row.
  std::int64_t width() const;
  bool operator==(const TensorSpec&) const = default;
};

// Half-open range along the first axis.
struct RowRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t count() const { return end - begin; }
};

// Where bytes lie in a file, as they are.
struct FilePlace {
  const File* file = nullptr;  // lives as long as the source; null: not in a file
  std::int64_t offset = 0;
};

// A promise of bytes. Cheap to build, immutable, safe to read from several threads at once.
// Packed (4-bit) tensors come from imported graphs only and are read whole, since a row may end inside a
// byte.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual const TensorSpec& spec() const = 0;
  // Fills `out` (exactly rows.count() * width * element size bytes) with little-endian elements.
  virtual void read(RowRange rows, std::span<std::byte> out) const = 0;
  // Sources that are made of others, or in memory, have no place.
  virtual FilePlace place() const { return {}; }
};
using TensorSourcePtr = std::shared_ptr<const TensorSource>;

// Bytes in memory: small constants, computed tables, tests.
TensorSourcePtr make_memory_source(TensorSpec spec, std::vector<std::byte> bytes);
TensorSourcePtr make_memory_source(std::string name, Shape shape, std::span<const float> values);
// spec.bytes() bytes of `file` from `offset`. Nothing is read before read() is called.
TensorSourcePtr make_file_source(TensorSpec spec, std::shared_ptr<const File> file, std::int64_t offset);

// Reads rows and converts them to float (F32, F16, BF16, F64 and integer sources).
// `scratch` is resized as needed and may be reused between calls.
void read_as_float(const TensorSource& source, RowRange rows, std::vector<std::byte>& scratch,
                   std::span<float> out);
// The whole tensor as floats; for tensors that are known to be small.
std::vector<float> read_all_as_float(const TensorSource& source);

}  // namespace bantam
