#include "convert/strided_source.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::int64_t kScratchBytes = 1 << 20;
// What lies within so many bytes is read in one call, even if some of them are not wanted.
constexpr std::int64_t kWorthSkipping = 4096;

bool is_contiguous(const Shape& shape, const Shape& strides) {
  std::int64_t expected = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (shape[d] != 1 && strides[d] != expected) return false;
    expected *= shape[d];
  }
  return true;
}

class StridedSource final : public TensorSource {
 public:
  StridedSource(TensorSpec spec, std::shared_ptr<const File> file, std::int64_t offset, Shape strides)
      : spec_(std::move(spec)),
        file_(std::move(file)),
        offset_(offset),
        strides_(std::move(strides)),
        item_(byte_size(spec_.dtype, 1)) {}

  const TensorSpec& spec() const override { return spec_; }

  void read(RowRange rows, std::span<std::byte> out) const override {
    BANTAM_ASSERT(!spec_.shape.empty() && rows.begin >= 0 && rows.begin <= rows.end &&
                  rows.end <= spec_.rows());
    BANTAM_ASSERT(std::ssize(out) == rows.count() * spec_.width() * item_);
    if (out.empty()) return;
    Shape shape = spec_.shape;
    shape[0] = rows.count();
    // Reads run along the axis whose elements lie closest together.
    std::size_t axis = 0;
    for (std::size_t d = 1; d < shape.size(); ++d) {
      if (shape[d] == 1 || strides_[d] == 0) continue;
      if (shape[axis] == 1 || strides_[axis] == 0 || strides_[d] < strides_[axis]) axis = d;
    }
    Shape at(shape.size(), 0);  // the index along every other axis
    std::vector<std::byte> scratch;
    do {
      std::int64_t from = rows.begin * strides_[0];
      std::int64_t to = 0;
      for (std::size_t d = 0; d < shape.size(); ++d) {
        from += at[d] * strides_[d];
        to = to * shape[d] + at[d];
      }
      std::int64_t step = 1;  // between neighbours along the axis, in `out`
      for (std::size_t d = axis + 1; d < shape.size(); ++d) step *= shape[d];
      read_run(from, shape[axis], strides_[axis], out.subspan(static_cast<std::size_t>(to * item_)), step,
               scratch);
    } while (next(at, shape, axis));
  }

 private:
  // Counts `at` up, last axis first, leaving out `axis`.
  static bool next(Shape& at, const Shape& shape, std::size_t axis) {
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (d == axis) continue;
      if (++at[d] < shape[d]) return true;
      at[d] = 0;
    }
    return false;
  }

  // `count` elements, `stride` apart in the file and `step` apart in `out`.
  void read_run(std::int64_t from, std::int64_t count, std::int64_t stride, std::span<std::byte> out,
                std::int64_t step, std::vector<std::byte>& scratch) const {
    const std::int64_t apart = stride * item_;
    const std::int64_t together = apart > kWorthSkipping ? 1 : kScratchBytes / std::max(apart, item_);
    for (std::int64_t begin = 0; begin < count; begin += together) {
      const std::int64_t taken = std::min(together, count - begin);
      scratch.resize(static_cast<std::size_t>((taken - 1) * apart + item_));
      file_->read_at(offset_ + from * item_ + begin * apart, scratch);
      for (std::int64_t i = 0; i < taken; ++i) {
        std::memcpy(out.data() + (begin + i) * step * item_, scratch.data() + i * apart,
                    static_cast<std::size_t>(item_));
      }
    }
  }

  TensorSpec spec_;
  std::shared_ptr<const File> file_;
  std::int64_t offset_;
  Shape strides_;
  std::int64_t item_;  // bytes of an element
};

}  // namespace

TensorSourcePtr make_strided_source(TensorSpec spec, std::shared_ptr<const File> file, std::int64_t offset,
                                    const Shape& strides) {
  BANTAM_ASSERT(spec.shape.size() == strides.size() && info(spec.dtype).bits >= 8);
  if (element_count(spec.shape) == 0 || is_contiguous(spec.shape, strides)) {
    return make_file_source(std::move(spec), std::move(file), offset);
  }
  return std::make_shared<StridedSource>(std::move(spec), std::move(file), offset, strides);
}

}  // namespace bantam
