#include "convert/head_pruning.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace bantam {
namespace {

std::int64_t parse_index(std::string_view text, std::string_view whole) {
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > 1'000'000) {
    fail_usage(
        "\"{}\" is no list of heads: \"{}\" is no number; write LAYER:HEAD,HEAD;LAYER:HEAD, as in 0:1,3;2:0",
        whole, text);
  }
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<std::int64_t> others(const std::vector<std::int64_t>& removed, std::int64_t total) {
  std::vector<std::int64_t> kept;
  for (std::int64_t i = 0; i < total; ++i) {
    if (!std::ranges::binary_search(removed, i)) kept.push_back(i);
  }
  return kept;
}

class KeptColumnsSource final : public TensorSource {
 public:
  KeptColumnsSource(TensorSourcePtr weight, std::vector<std::int64_t> removed,
                    std::shared_ptr<const HeadRefit> refit)
      : weight_(std::move(weight)), removed_(std::move(removed)), refit_(std::move(refit)) {
    const TensorSpec& stored = weight_->spec();
    BANTAM_ASSERT(stored.shape.size() == 2 && std::ranges::is_sorted(removed_));
    BANTAM_ASSERT(!removed_.empty() && removed_.front() >= 0 && removed_.back() < stored.width());
    kept_ = others(removed_, stored.width());
    BANTAM_ASSERT(!kept_.empty());
    BANTAM_ASSERT(refit_ == nullptr || refit_->matrix.size() == removed_.size() * kept_.size());
    spec_ = {stored.name, DType::kF32, {stored.rows(), std::ssize(kept_)}};
  }
  const TensorSpec& spec() const override { return spec_; }

  void read(RowRange rows, std::span<std::byte> out) const override {
    const auto width = static_cast<std::size_t>(weight_->spec().width());
    std::vector<float> whole(static_cast<std::size_t>(rows.count()) * width);
    std::vector<std::byte> scratch;
    read_as_float(*weight_, rows, scratch, whole);
    std::vector<float> row(kept_.size());
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows.count()); ++r) {
      const float* from = whole.data() + r * width;
      for (std::size_t k = 0; k < kept_.size(); ++k) row[k] = from[kept_[k]];
      if (refit_ != nullptr) add_refit(from, row);
      std::memcpy(out.data() + r * row.size() * sizeof(float), row.data(), row.size() * sizeof(float));
    }
  }

 private:
  void add_refit(const float* from, std::vector<float>& row) const {
    for (std::size_t p = 0; p < removed_.size(); ++p) {
      const float weight = from[removed_[p]];
      const float* matrix = refit_->matrix.data() + p * row.size();
      for (std::size_t k = 0; k < row.size(); ++k) row[k] += weight * matrix[k];
    }
  }

  TensorSourcePtr weight_;
  std::vector<std::int64_t> removed_;
  std::vector<std::int64_t> kept_;
  std::shared_ptr<const HeadRefit> refit_;
  TensorSpec spec_;
};

class RefittedBiasSource final : public TensorSource {
 public:
  RefittedBiasSource(TensorSourcePtr bias, TensorSourcePtr weight, std::vector<std::int64_t> removed,
                     std::shared_ptr<const HeadRefit> refit)
      : bias_(std::move(bias)),
        weight_(std::move(weight)),
        removed_(std::move(removed)),
        refit_(std::move(refit)) {
    BANTAM_ASSERT(bias_->spec().rows() == weight_->spec().rows() && refit_->shift.size() == removed_.size());
    spec_ = {bias_->spec().name, DType::kF32, bias_->spec().shape};
  }
  const TensorSpec& spec() const override { return spec_; }

  void read(RowRange rows, std::span<std::byte> out) const override {
    const auto width = static_cast<std::size_t>(weight_->spec().width());
    std::vector<float> values(static_cast<std::size_t>(rows.count()));
    std::vector<float> row(width);
    std::vector<std::byte> scratch;
    read_as_float(*bias_, rows, scratch, values);
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      read_as_float(*weight_, {r, r + 1}, scratch, row);
      double sum = 0;
      for (std::size_t p = 0; p < removed_.size(); ++p) {
        sum += static_cast<double>(row[static_cast<std::size_t>(removed_[p])]) * refit_->shift[p];
      }
      values[static_cast<std::size_t>(r - rows.begin)] += static_cast<float>(sum);
    }
    if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
  }

 private:
  TensorSourcePtr bias_;
  TensorSourcePtr weight_;
  std::vector<std::int64_t> removed_;
  std::shared_ptr<const HeadRefit> refit_;
  TensorSpec spec_;
};

}  // namespace

std::int64_t HeadPruning::count() const {
  return std::accumulate(removed.begin(), removed.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& layer) { return sum + std::ssize(layer.second); });
}

HeadPruning parse_head_list(std::string_view text) {
  HeadPruning pruning;
  for (const std::string_view layer : split(text, ';')) {
    const std::size_t colon = layer.find(':');
    if (colon == std::string_view::npos) {
      fail_usage("\"{}\" is no list of heads: write LAYER:HEAD,HEAD;LAYER:HEAD, as in 0:1,3;2:0", text);
    }
    const std::int64_t index = parse_index(layer.substr(0, colon), text);
    std::vector<std::int64_t>& heads = pruning.removed[index];
    if (!heads.empty()) fail_usage("\"{}\" names layer {} twice", text, index);
    for (const std::string_view head : split(layer.substr(colon + 1), ','))
      heads.push_back(parse_index(head, text));
    std::ranges::sort(heads);
    if (std::ranges::adjacent_find(heads) != heads.end()) {
      fail_usage("\"{}\" names a head of layer {} twice", text, index);
    }
  }
  return pruning;
}

std::string head_list(const HeadPruning& pruning) {
  std::string text;
  for (const auto& [layer, heads] : pruning.removed) {
    text += fmt::format("{}{}:", text.empty() ? "" : ";", layer);
    for (std::size_t i = 0; i < heads.size(); ++i) text += fmt::format("{}{}", i == 0 ? "" : ",", heads[i]);
  }
  return text;
}

TensorSourcePtr make_kept_columns_source(TensorSourcePtr weight, std::vector<std::int64_t> removed,
                                         std::shared_ptr<const HeadRefit> refit) {
  return std::make_shared<KeptColumnsSource>(std::move(weight), std::move(removed), std::move(refit));
}

TensorSourcePtr make_refitted_bias_source(TensorSourcePtr bias, TensorSourcePtr weight,
                                          std::vector<std::int64_t> removed,
                                          std::shared_ptr<const HeadRefit> refit) {
  return std::make_shared<RefittedBiasSource>(std::move(bias), std::move(weight), std::move(removed),
                                              std::move(refit));
}

}  // namespace bantam
