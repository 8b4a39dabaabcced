#include "convert/blocks/derived_source.h"

#include <cstring>
#include <utility>

#include "base/error.h"

namespace bantam {
namespace {

class PlusOneSource final : public TensorSource {
 public:
  explicit PlusOneSource(TensorSourcePtr source)
      : source_(std::move(source)), spec_{source_->spec().name, DType::kF32, source_->spec().shape} {}
  const TensorSpec& spec() const override { return spec_; }
  void read(RowRange rows, std::span<std::byte> out) const override {
    std::vector<float> values(out.size() / sizeof(float));
    std::vector<std::byte> scratch;
    read_as_float(*source_, rows, scratch, values);
    for (float& value : values) value += 1.0F;
    if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
  }

 private:
  TensorSourcePtr source_;
  TensorSpec spec_;
};

class RowsSource final : public TensorSource {
 public:
  RowsSource(std::string name, TensorSourcePtr source, std::vector<RowRange> ranges)
      : source_(std::move(source)), ranges_(std::move(ranges)), spec_(source_->spec()) {
    spec_.name = std::move(name);
    std::int64_t rows = 0;
    for (const RowRange& range : ranges_) {
      BANTAM_ASSERT(range.begin >= 0 && range.begin < range.end && range.end <= source_->spec().rows());
      rows += range.count();
    }
    spec_.shape.at(0) = rows;
  }
  const TensorSpec& spec() const override { return spec_; }
  void read(RowRange rows, std::span<std::byte> out) const override {
    const std::int64_t row_bytes = byte_size(spec_.dtype, spec_.width());
    std::int64_t first = 0;  // of this range, among the rows of this tensor
    for (const RowRange& range : ranges_) {
      const RowRange wanted{std::max(rows.begin, first), std::min(rows.end, first + range.count())};
      if (wanted.begin < wanted.end) {
        const RowRange stored{range.begin + wanted.begin - first, range.begin + wanted.end - first};
        source_->read(stored, out.subspan(static_cast<std::size_t>((wanted.begin - rows.begin) * row_bytes),
                                          static_cast<std::size_t>(wanted.count() * row_bytes)));
      }
      first += range.count();
    }
  }
  FilePlace place() const override {
    FilePlace place = source_->place();
    if (ranges_.size() != 1 || place.file == nullptr) return {};
    place.offset += ranges_[0].begin * byte_size(spec_.dtype, spec_.width());
    return place;
  }

 private:
  TensorSourcePtr source_;
  std::vector<RowRange> ranges_;
  TensorSpec spec_;
};

class TransposedSource final : public TensorSource {
 public:
  explicit TransposedSource(TensorSourcePtr source) : source_(std::move(source)), spec_(source_->spec()) {
    BANTAM_ASSERT(spec_.shape.size() == 2);
    std::swap(spec_.shape[0], spec_.shape[1]);
  }
  const TensorSpec& spec() const override { return spec_; }
  void read(RowRange rows, std::span<std::byte> out) const override {
    const TensorSpec& stored = source_->spec();
    std::vector<std::byte> whole(static_cast<std::size_t>(stored.bytes()));
    source_->read({0, stored.rows()}, whole);
    const auto size = static_cast<std::size_t>(byte_size(stored.dtype, 1));
    const auto columns = static_cast<std::size_t>(stored.width());
    std::byte* to = out.data();
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const std::byte* from = whole.data() + static_cast<std::size_t>(row) * size;
      for (std::int64_t i = 0; i < stored.rows(); ++i, to += size, from += columns * size)
        std::memcpy(to, from, size);
    }
  }

 private:
  TensorSourcePtr source_;
  TensorSpec spec_;
};

}  // namespace

TensorSourcePtr make_plus_one_source(TensorSourcePtr source) {
  return std::make_shared<PlusOneSource>(std::move(source));
}

TensorSourcePtr make_rows_source(std::string name, TensorSourcePtr source, std::vector<RowRange> ranges) {
  return std::make_shared<RowsSource>(std::move(name), std::move(source), std::move(ranges));
}

TensorSourcePtr make_transposed_source(TensorSourcePtr source) {
  return std::make_shared<TransposedSource>(std::move(source));
}

}  // namespace bantam
