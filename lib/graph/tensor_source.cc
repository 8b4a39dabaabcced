#include "graph/tensor_source.h"

#include <cstring>

#include "base/convert_kernels.h"
#include "base/error.h"

namespace bantam {

std::int64_t TensorSpec::width() const {
  return shape.empty() ? 1 : element_count(std::span(shape).subspan(1));
}

namespace {

struct ByteRange {
  std::int64_t begin;
  std::int64_t size;
};

ByteRange byte_range(const TensorSpec& spec, RowRange rows) {
  BANTAM_ASSERT(rows.begin >= 0 && rows.begin <= rows.end && rows.end <= spec.rows());
  if (info(spec.dtype).bits < 8) {
    BANTAM_ASSERT(rows.begin == 0 && rows.end == spec.rows());
    return {0, spec.bytes()};
  }
  const std::int64_t row = byte_size(spec.dtype, spec.width());
  return {rows.begin * row, rows.count() * row};
}

class MemorySource final : public TensorSource {
 public:
  MemorySource(TensorSpec spec, std::vector<std::byte> bytes)
      : spec_(std::move(spec)), bytes_(std::move(bytes)) {
    BANTAM_ASSERT(spec_.bytes() == std::ssize(bytes_));
  }
  const TensorSpec& spec() const override { return spec_; }
  void read(RowRange rows, std::span<std::byte> out) const override {
    const ByteRange range = byte_range(spec_, rows);
    BANTAM_ASSERT(std::ssize(out) == range.size);
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + range.begin, out.size());
  }

 private:
  TensorSpec spec_;
  std::vector<std::byte> bytes_;
};

class FileSource final : public TensorSource {
 public:
  FileSource(TensorSpec spec, std::shared_ptr<const File> file, std::int64_t offset)
      : spec_(std::move(spec)), file_(std::move(file)), offset_(offset) {}
  const TensorSpec& spec() const override { return spec_; }
  void read(RowRange rows, std::span<std::byte> out) const override {
    const ByteRange range = byte_range(spec_, rows);
    BANTAM_ASSERT(std::ssize(out) == range.size);
    file_->read_at(offset_ + range.begin, out);
  }
  FilePlace place() const override { return {file_.get(), offset_}; }

 private:
  TensorSpec spec_;
  std::shared_ptr<const File> file_;
  std::int64_t offset_;
};

template <typename T>
void widen(std::span<const std::byte> bytes, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<float>(value);
  }
}

}  // namespace

TensorSourcePtr make_memory_source(TensorSpec spec, std::vector<std::byte> bytes) {
  return std::make_shared<MemorySource>(std::move(spec), std::move(bytes));
}

TensorSourcePtr make_memory_source(std::string name, Shape shape, std::span<const float> values) {
  std::vector<std::byte> bytes(values.size_bytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return make_memory_source({std::move(name), DType::kF32, std::move(shape)}, std::move(bytes));
}

TensorSourcePtr make_file_source(TensorSpec spec, std::shared_ptr<const File> file, std::int64_t offset) {
  return std::make_shared<FileSource>(std::move(spec), std::move(file), offset);
}

void read_as_float(const TensorSource& source, RowRange rows, std::vector<std::byte>& scratch,
                   std::span<float> out) {
  const TensorSpec& spec = source.spec();
  const std::int64_t count = rows.count() * spec.width();
  BANTAM_ASSERT(std::ssize(out) == count);
  if (spec.dtype == DType::kF32) {
    source.read(rows, std::as_writable_bytes(out));
    return;
  }
  scratch.resize(static_cast<std::size_t>(byte_size(spec.dtype, count)));
  source.read(rows, scratch);
  const std::span<const std::byte> bytes(scratch);
  switch (spec.dtype) {
    case DType::kF16:
      convert_kernels().fp16_to_float(reinterpret_cast<const std::uint16_t*>(bytes.data()), out.data(),
                                      count);
      break;
    case DType::kBF16:
      convert_kernels().bf16_to_float(reinterpret_cast<const std::uint16_t*>(bytes.data()), out.data(),
                                      count);
      break;
    case DType::kF64:
      widen<double>(bytes, out);
      break;
    case DType::kI64:
      widen<std::int64_t>(bytes, out);
      break;
    case DType::kI32:
      widen<std::int32_t>(bytes, out);
      break;
    case DType::kI16:
      widen<std::int16_t>(bytes, out);
      break;
    case DType::kI8:
      widen<std::int8_t>(bytes, out);
      break;
    case DType::kU8:
      widen<std::uint8_t>(bytes, out);
      break;
    default:
      fail("{}: tensors of type {} cannot be read as floats", spec.name, name(spec.dtype));
  }
}

std::vector<float> read_all_as_float(const TensorSource& source) {
  const TensorSpec& spec = source.spec();
  std::vector<float> values(static_cast<std::size_t>(element_count(spec.shape)));
  std::vector<std::byte> scratch;
  read_as_float(source, {0, spec.rows()}, scratch, values);
  return values;
}

}  // namespace bantam
