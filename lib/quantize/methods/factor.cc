#include "quantize/methods/factor.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace bantam {
namespace {

// What a sample of vectors says of a direction is the less certain the fewer they are for their width; tokens
// of one text are alike, so that even eight times the width of them says little (docs/quantization.md has the
// measurement).
double damping(std::int64_t width, std::int64_t samples) {
  return std::clamp(
      8.0 * static_cast<double>(width) / static_cast<double>(std::max<std::int64_t>(samples, 1)), 0.01, 1.0);
}

std::size_t index(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

}  // namespace

Factor::Factor(const InputStatistics& input) {
  const std::int64_t width = input.width(), padded = padded_columns(width);
  hessian_.resize(index(padded * padded));
  if (padded == width) {
    input.read_hessian(hessian_);
  } else {
    input.read_hessian(std::span(hessian_).first(index(width * width)));
    for (std::int64_t row = width; row-- > 0;) {  // spread in place, last row first
      float* to = hessian_.data() + row * padded;
      std::copy_backward(hessian_.data() + row * width, hessian_.data() + (row + 1) * width, to + width);
      std::fill(to + width, to + padded, 0.0f);
    }
    std::fill(hessian_.begin() + width * padded, hessian_.end(), 0.0f);
    for (std::int64_t k = width; k < padded; ++k) hessian_[index(k * padded + k)] = 1.0f;
  }
  double mean = 0;
  for (std::int64_t k = 0; k < width; ++k)
    mean += hessian_[index(k * padded + k)] / static_cast<double>(width);
  if (!std::isfinite(mean) || mean < 0) fail("the Hessian of the input is not finite and positive");
  if (mean == 0) mean = 1;  // nothing ever came in
  const double damped = damping(width, input.samples());
  // In units of the mean diagonal: the scale of activations must not reach the limits of floats.
  for (std::int64_t row = 0; row < width; ++row) {
    for (std::int64_t k = 0; k < width; ++k) {
      float& value = hessian_[index(row * padded + k)];
      value = static_cast<float>(value / mean + (row == k ? damped : 0.0));
    }
  }
  decompose(width);
}

void Factor::decompose(std::int64_t width) {
  const std::int64_t padded = padded_columns(width);
  feedback_.resize(index(feedback_row(padded)));
  const MethodKernels& kernels = method_kernels();
  std::vector<double> coefficients(index(padded * kColumnStep)), rows(index(kColumnStep * padded));
  // Columns of R from the last to the first; column j lies in row j of the triangle.
  for (std::int64_t panel = padded - kColumnStep; panel >= 0; panel -= kColumnStep) {
    for (std::int64_t k = panel + kColumnStep; k < padded; ++k) {
      const float* row = feedback_.data() + feedback_row(k) + panel;
      std::copy(row, row + kColumnStep, coefficients.data() + k * kColumnStep);
    }
    kernels.eliminate(hessian_.data(), feedback_.data(), coefficients.data(), panel, padded, rows.data());
    for (std::int64_t j = kColumnStep - 1; j >= 0; --j) {
      double* row = rows.data() + j * padded;
      const double pivot = row[panel + j];
      if (!(pivot > 0) || !std::isfinite(pivot)) fail("the Hessian of the input is not positive definite");
      const double inverse = 1.0 / std::sqrt(pivot);
      for (std::int64_t i = 0; i <= panel + j; ++i) row[i] *= inverse;
      for (std::int64_t other = 0; other < j; ++other) {
        double* target = rows.data() + other * padded;
        const double factor = row[panel + other];
        for (std::int64_t i = 0; i <= panel + other; ++i) target[i] -= row[i] * factor;
      }
      float* stored = feedback_.data() + feedback_row(panel + j);
      for (std::int64_t i = 0; i <= panel + j; ++i) stored[i] = static_cast<float>(row[i]);
    }
  }
  for (std::int64_t j = 0; j < padded; ++j) {
    float* row = feedback_.data() + feedback_row(j);
    if (j < width) weights_.push_back(row[j] * row[j]);
    const float inverse = 1.0f / row[j];
    for (std::int64_t i = 0; i < j; ++i) row[i] *= inverse;
  }
}

std::int64_t Factor::bytes(std::int64_t width) {
  const std::int64_t padded = padded_columns(width);
  return (padded * padded + feedback_row(padded) + width) * static_cast<std::int64_t>(sizeof(float));
}

std::shared_ptr<FactorCache::Entry> FactorCache::entry(const InputStatisticsPtr& input) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const auto& known) { return known->input == input; });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return entries_.front();
  }
  auto made = std::make_shared<Entry>();
  made->input = input;
  made->bytes = Factor::bytes(input->width());
  entries_.push_front(made);
  std::int64_t held = 0;
  for (auto it = entries_.begin(); it != entries_.end();) {
    held += (*it)->bytes;
    it = held > budget_ && it != entries_.begin() ? entries_.erase(it) : std::next(it);
  }
  return made;
}

FactorPtr FactorCache::get(const InputStatisticsPtr& input) {
  const std::shared_ptr<Entry> wanted = entry(input);
  std::call_once(wanted->made, [&] { wanted->factor = std::make_shared<const Factor>(*input); });
  return wanted->factor;
}

}  // namespace bantam
