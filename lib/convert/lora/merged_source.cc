#include "convert/lora/merged_source.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/error.h"
#include "convert/lora/kernels.h"

namespace bantam {
namespace {

// Reads of float32 are the whole point: results are not rounded to the base's type again.
class FloatSource : public TensorSource {
 public:
  explicit FloatSource(TensorSourcePtr base) : base_(std::move(base)), spec_(base_->spec()) {
    spec_.dtype = DType::kF32;
  }

  const TensorSpec& spec() const override { return spec_; }
  void read(RowRange rows, std::span<std::byte> out) const override {
    BANTAM_ASSERT(std::ssize(out) == byte_size(DType::kF32, rows.count() * spec_.width()));
    // Callers give bytes of any alignment.
    std::vector<float> values(out.size() / sizeof(float));
    std::vector<std::byte> scratch;
    read_as_float(*base_, rows, scratch, values);
    merge(rows, values);
    std::ranges::copy(std::as_bytes(std::span(values)), out.begin());
  }

 protected:
  virtual void merge(RowRange rows, std::span<float> values) const = 0;
  const TensorSource& base() const { return *base_; }

 private:
  TensorSourcePtr base_;
  TensorSpec spec_;
};

std::vector<float> transposed(std::span<const float> values, std::int64_t rows, std::int64_t columns) {
  std::vector<float> result(values.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      result[static_cast<std::size_t>(c * rows + r)] = values[static_cast<std::size_t>(r * columns + c)];
    }
  }
  return result;
}

LoraFactors load_factors(const LoraUpdate& update) {
  std::vector<float> a = read_all_as_float(*update.a), b = read_all_as_float(*update.b);
  if (update.layout == LoraLayout::kLinear) return {std::move(b), std::move(a)};
  return {transposed(a, update.a->spec().shape[0], update.a->spec().shape[1]),
          transposed(b, update.b->spec().shape[0], update.b->spec().shape[1])};
}

double norm_of(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

class MergedSource final : public FloatSource {
 public:
  MergedSource(TensorSourcePtr weight, LoraUpdate update, std::shared_ptr<LoraFactorCache> cache)
      : FloatSource(std::move(weight)), update_(std::move(update)), cache_(std::move(cache)) {
    const TensorSpec &a = update_.a->spec(), &b = update_.b->spec();
    const bool linear = update_.layout == LoraLayout::kLinear;
    BANTAM_ASSERT(spec().shape.size() == 2 && a.shape.size() == 2 && b.shape.size() == 2 &&
                  a.shape[0] == b.shape[1]);
    BANTAM_ASSERT(spec().shape[0] == (linear ? b.shape[0] : a.shape[1]));
    BANTAM_ASSERT(spec().shape[1] == (linear ? a.shape[1] : b.shape[0]));
  }

 private:
  void merge(RowRange rows, std::span<float> values) const override {
    add_update(rows, values);
    if (update_.magnitude == nullptr) return;
    const std::int64_t width = spec().width();
    std::call_once(measured_, [&] { measure(); });
    for (std::int64_t r = 0; r < rows.count(); ++r) {
      const auto row = values.subspan(static_cast<std::size_t>(r * width), static_cast<std::size_t>(width));
      if (update_.layout == LoraLayout::kLinear) {
        const auto factor =
            static_cast<float>(factors_[static_cast<std::size_t>(rows.begin + r)] / norm_of(row));
        for (float& value : row) value *= factor;
      } else {
        for (std::size_t c = 0; c < row.size(); ++c) row[c] *= static_cast<float>(factors_[c]);
      }
    }
  }

  void add_update(RowRange rows, std::span<float> values) const {
    const auto factors = cache_->get(update_);
    const std::int64_t rank = update_.a->spec().shape[0];
    lora_kernels().add_low_rank({values.data(), factors->left.data() + rows.begin * rank,
                                 factors->right.data(), rows.count(), rank, spec().width(),
                                 static_cast<float>(update_.scaling)});
  }

  // Magnitudes by row, or, of columns, magnitudes over the columns' norms.
  void measure() const {
    const std::vector<float> magnitude = read_all_as_float(*update_.magnitude);
    factors_.assign(magnitude.begin(), magnitude.end());
    if (update_.layout == LoraLayout::kLinear) return;
    constexpr std::int64_t kTileElements = 256 * 1024;
    const std::int64_t width = spec().width(), count = spec().rows();
    const std::int64_t step = std::max<std::int64_t>(1, kTileElements / std::max<std::int64_t>(width, 1));
    std::vector<double> squares(static_cast<std::size_t>(width));
    std::vector<float> tile;
    std::vector<std::byte> scratch;
    for (std::int64_t begin = 0; begin < count; begin += step) {
      const RowRange rows{begin, std::min(begin + step, count)};
      tile.resize(static_cast<std::size_t>(rows.count() * width));
      read_as_float(base(), rows, scratch, tile);
      add_update(rows, tile);
      for (std::size_t i = 0; i < tile.size(); ++i) {
        squares[i % squares.size()] += static_cast<double>(tile[i]) * static_cast<double>(tile[i]);
      }
    }
    for (std::size_t c = 0; c < factors_.size(); ++c) factors_[c] /= std::sqrt(squares[c]);
  }

  LoraUpdate update_;
  std::shared_ptr<LoraFactorCache> cache_;
  mutable std::once_flag measured_;
  mutable std::vector<double> factors_;  // DoRA's, one per output
};

class SumSource final : public FloatSource {
 public:
  SumSource(TensorSourcePtr base, TensorSourcePtr delta, double scale)
      : FloatSource(std::move(base)), delta_(std::move(delta)), scale_(static_cast<float>(scale)) {
    BANTAM_ASSERT(spec().shape.size() == 1 && spec().shape == delta_->spec().shape);
  }

 private:
  void merge(RowRange rows, std::span<float> values) const override {
    std::vector<float> delta(values.size());
    std::vector<std::byte> scratch;
    read_as_float(*delta_, rows, scratch, delta);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += delta[i] * scale_;
  }

  TensorSourcePtr delta_;
  float scale_;
};

class ReplacedRows final : public FloatSource {
 public:
  ReplacedRows(TensorSourcePtr base, const std::vector<std::int64_t>& ids, TensorSourcePtr rows)
      : FloatSource(std::move(base)), rows_(std::move(rows)) {
    BANTAM_ASSERT(rows_->spec().shape == (Shape{std::ssize(ids), spec().width()}));
    for (std::size_t i = 0; i < ids.size(); ++i) places_.emplace(ids[i], static_cast<std::int64_t>(i));
  }

 private:
  void merge(RowRange rows, std::span<float> values) const override {
    const auto width = static_cast<std::size_t>(spec().width());
    std::vector<std::byte> scratch;
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const auto found = places_.find(row);
      if (found == places_.end()) continue;
      const auto at = static_cast<std::size_t>(row - rows.begin) * width;
      read_as_float(*rows_, {found->second, found->second + 1}, scratch, values.subspan(at, width));
    }
  }

  TensorSourcePtr rows_;
  std::unordered_map<std::int64_t, std::int64_t> places_;  // row -> row of rows_
};

class RenamedSource final : public TensorSource {
 public:
  RenamedSource(TensorSourcePtr source, std::string name)
      : source_(std::move(source)), spec_(source_->spec()) {
    spec_.name = std::move(name);
  }
  const TensorSpec& spec() const override { return spec_; }
  void read(RowRange rows, std::span<std::byte> out) const override { source_->read(rows, out); }
  FilePlace place() const override { return source_->place(); }

 private:
  TensorSourcePtr source_;
  TensorSpec spec_;
};

}  // namespace

void check_update(const LoraUpdate& update, std::int64_t rank, const TensorSpec& base) {
  const Shape &a = update.a->spec().shape, &b = update.b->spec().shape;
  if (a.size() != 2 || b.size() != 2) {
    fail("lora_A {} and lora_B {} where matrices were expected; convolutions are not supported", to_string(a),
         to_string(b));
  }
  if (a[0] != rank || b[1] != rank) {
    fail("lora_A {} and lora_B {} are not of the rank {} that adapter_config.json states", to_string(a),
         to_string(b), rank);
  }
  const std::int64_t out = b[0], in = a[1];
  const Shape expected = update.layout == LoraLayout::kLinear ? Shape{out, in} : Shape{in, out};
  if (base.shape != expected || !is_float(base.dtype)) {
    fail("updates a weight of shape {} where the base has {} of {}: the adapter was trained on another model",
         to_string(expected), to_string(base.shape), name(base.dtype));
  }
  if (update.magnitude != nullptr && update.magnitude->spec().shape != Shape{out}) {
    fail("lora_magnitude_vector {} where {} was expected", to_string(update.magnitude->spec().shape),
         to_string(Shape{out}));
  }
}

std::shared_ptr<const LoraFactors> LoraFactorCache::get(const LoraUpdate& update) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, factors] : kept_) {
    if (key == &update) return factors;
  }
  if (kept_.size() == kKept) kept_.pop_front();
  kept_.emplace_back(&update, std::make_shared<const LoraFactors>(load_factors(update)));
  return kept_.back().second;
}

TensorSourcePtr make_merged_source(TensorSourcePtr base, LoraUpdate update,
                                   std::shared_ptr<LoraFactorCache> cache) {
  return std::make_shared<MergedSource>(std::move(base), std::move(update), std::move(cache));
}

TensorSourcePtr make_sum_source(TensorSourcePtr base, TensorSourcePtr delta, double scale) {
  return std::make_shared<SumSource>(std::move(base), std::move(delta), scale);
}

TensorSourcePtr make_replaced_rows(TensorSourcePtr base, std::vector<std::int64_t> ids,
                                   TensorSourcePtr rows) {
  return std::make_shared<ReplacedRows>(std::move(base), ids, std::move(rows));
}

TensorSourcePtr make_renamed_source(TensorSourcePtr source, std::string name) {
  return std::make_shared<RenamedSource>(std::move(source), std::move(name));
}

}  // namespace bantam
