#include "quantize/fold/folded_statistics.h"

#include <utility>

#include "base/error.h"

namespace bantam {
namespace {

class DividedInput final : public InputStatistics {
 public:
  DividedInput(InputStatisticsPtr input, const std::vector<double>& scales) : input_(std::move(input)) {
    BANTAM_ASSERT(std::ssize(scales) == input_->width());
    for (const double scale : scales) inverse_.push_back(1 / scale);
    const std::span<const float> moments = input_->second_moments(), absmax = input_->absmax();
    for (std::size_t k = 0; k < moments.size(); ++k) {
      moments_.push_back(static_cast<float>(moments[k] * (inverse_[k] * inverse_[k])));
    }
    for (std::size_t k = 0; k < absmax.size(); ++k)
      absmax_.push_back(static_cast<float>(absmax[k] * inverse_[k]));
  }

  std::int64_t width() const override { return input_->width(); }
  std::int64_t samples() const override { return input_->samples(); }
  std::span<const float> second_moments() const override { return moments_; }
  std::span<const float> absmax() const override { return absmax_; }
  float lowest() const override { return 0; }
  float highest() const override { return 0; }
  bool has_hessian() const override { return input_->has_hessian(); }
  void read_hessian(std::span<float> out) const override {
    input_->read_hessian(out);
    const std::size_t width = inverse_.size();
    for (std::size_t row = 0; row < width; ++row) {
      for (std::size_t k = 0; k < width; ++k) {
        float& value = out[row * width + k];
        value = static_cast<float>(value * (inverse_[row] * inverse_[k]));
      }
    }
  }

 private:
  InputStatisticsPtr input_;
  std::vector<double> inverse_;
  std::vector<float> moments_, absmax_;
};

class ReplacedInputs final : public Statistics {
 public:
  ReplacedInputs(StatisticsPtr base, std::map<std::string, InputStatisticsPtr, std::less<>> inputs)
      : base_(std::move(base)), inputs_(std::move(inputs)) {}
  InputStatisticsPtr input_of(std::string_view weight) const override {
    const auto found = inputs_.find(weight);
    return found == inputs_.end() ? base_->input_of(weight) : found->second;
  }

 private:
  StatisticsPtr base_;
  std::map<std::string, InputStatisticsPtr, std::less<>> inputs_;
};

}  // namespace

InputStatisticsPtr divided_input(InputStatisticsPtr input, std::vector<double> scales) {
  return std::make_shared<DividedInput>(std::move(input), scales);
}

StatisticsPtr replaced_inputs(StatisticsPtr base,
                              std::map<std::string, InputStatisticsPtr, std::less<>> inputs) {
  return std::make_shared<ReplacedInputs>(std::move(base), std::move(inputs));
}

}  // namespace bantam
