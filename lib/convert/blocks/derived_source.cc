#include "convert/blocks/derived_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "convert/strided_source.h"

namespace bantam {
namespace {

constexpr std::int64_t kPassBytes = 4 << 20;

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
    std::swap(spec_.shape[0], spec_.shape[1]);
  }
  const TensorSpec& spec() const override { return spec_; }
  void read(RowRange rows, std::span<std::byte> out) const override {
    const TensorSpec& stored = source_->spec();
    const auto item = static_cast<std::size_t>(byte_size(stored.dtype, 1));
    const std::int64_t row_bytes = byte_size(stored.dtype, stored.width());
    const std::int64_t step = std::max<std::int64_t>(1, kPassBytes / std::max<std::int64_t>(1, row_bytes));
    std::vector<std::byte> some;
    for (std::int64_t first = 0; first < stored.rows(); first += step) {
      const RowRange pass{first, std::min(stored.rows(), first + step)};
      some.resize(static_cast<std::size_t>(pass.count() * row_bytes));
      source_->read(pass, some);
      for (std::int64_t row = rows.begin; row < rows.end; ++row) {
        const std::byte* from = some.data() + static_cast<std::size_t>(row) * item;
        std::byte* to =
            out.data() + static_cast<std::size_t>((row - rows.begin) * stored.rows() + first) * item;
        for (std::int64_t i = 0; i < pass.count(); ++i, to += item, from += row_bytes)
          std::memcpy(to, from, item);
      }
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
  const TensorSpec& stored = source->spec();
  BANTAM_ASSERT(stored.shape.size() == 2);
  const FilePlace place = source->place();
  if (place.file == nullptr) return std::make_shared<TransposedSource>(std::move(source));
  TensorSpec spec{stored.name, stored.dtype, {stored.shape[1], stored.shape[0]}};
  // The source keeps its file open.
  const std::shared_ptr<const File> file(source, place.file);
  return make_strided_source(std::move(spec), file, place.offset, {1, stored.shape[1]});
}

}  // namespace bantam
