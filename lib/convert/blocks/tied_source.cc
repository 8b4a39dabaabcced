#include "convert/blocks/tied_source.h"

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace bantam {
namespace {

[[noreturn]] void fail_different(const TensorSpec& kept, const TensorSpec& copy) {
  fail("{} differs from {}, and config.json ties them: set tie_word_embeddings to false there to keep both",
       copy.name, kept.name);
}

class TiedSource final : public TensorSource {
 public:
  TiedSource(TensorSourcePtr kept, TensorSourcePtr copy) : kept_(std::move(kept)), copy_(std::move(copy)) {}

  const TensorSpec& spec() const override { return kept_->spec(); }
  void read(RowRange rows, std::span<std::byte> out) const override {
    kept_->read(rows, out);
    // In small steps: the copy needs memory of its own.
    const std::int64_t row_bytes = byte_size(spec().dtype, spec().width());
    const std::int64_t step = std::max<std::int64_t>(1, kStepBytes / std::max<std::int64_t>(1, row_bytes));
    std::vector<std::byte> other;
    for (std::int64_t begin = rows.begin; begin < rows.end; begin += step) {
      const RowRange part{begin, std::min(rows.end, begin + step)};
      const auto read_here = out.subspan(static_cast<std::size_t>((begin - rows.begin) * row_bytes),
                                         static_cast<std::size_t>(part.count() * row_bytes));
      other.resize(read_here.size());
      copy_->read(part, other);
      if (!std::equal(other.begin(), other.end(), read_here.begin())) fail_different(spec(), copy_->spec());
    }
  }

 private:
  static constexpr std::int64_t kStepBytes = 1 << 20;
  TensorSourcePtr kept_;
  TensorSourcePtr copy_;
};

}  // namespace

TensorSourcePtr make_tied_source(TensorSourcePtr kept, TensorSourcePtr copy) {
  const TensorSpec& a = kept->spec();
  const TensorSpec& b = copy->spec();
  if (a.dtype != b.dtype || a.shape != b.shape) fail_different(a, b);
  // PyTorch files store what is tied once and name it twice.
  const FilePlace here = kept->place(), there = copy->place();
  if (here.file != nullptr && here.file == there.file && here.offset == there.offset) return kept;
  return std::make_shared<TiedSource>(std::move(kept), std::move(copy));
}

}  // namespace bantam
