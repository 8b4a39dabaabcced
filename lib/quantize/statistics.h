#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace bantam {

// What calibration found of the vectors x (of `width` elements) that a linear reads. Linears that read the
// same activation (queries, keys and values; gate and up) share one object, and methods share what they
// derive from it: identity of the pointer says so. A weight that several linears read (shared layers, a tied
// head) has seen the inputs of all of them. Immutable; safe to read from several threads. Padding is not
// counted.
class InputStatistics {
 public:
  virtual ~InputStatistics() = default;
  virtual std::int64_t width() const = 0;    // K
  virtual std::int64_t samples() const = 0;  // vectors seen, at least 1
  // [K], mean of x_k^2: the diagonal of the Hessian. Held in memory.
  virtual std::span<const float> second_moments() const = 0;
  // [K], largest |x_k| seen; empty when it was not gathered.
  virtual std::span<const float> absmax() const = 0;
  // Smallest and largest element of all vectors; both 0 when not gathered.
  virtual float lowest() const = 0;
  virtual float highest() const = 0;
  // Whether read_hessian() has something to give.
  virtual bool has_hessian() const = 0;
  // Fills `out` [K, K] with the mean of x x^T: row-major, symmetric, finite. Reads it anew at every call and
  // keeps nothing, so that memory is the caller's to bound. Throws Error when the file has changed or is
  // damaged.
  virtual void read_hessian(std::span<float> out) const = 0;
};
using InputStatisticsPtr = std::shared_ptr<const InputStatistics>;

// What calibration found of a model, by the names of its weights (Weight::name).
class Statistics {
 public:
  virtual ~Statistics() = default;
  // Of what the linears with this weight read; null when nothing was gathered for it. The same object for
  // weights whose linears read the same activations.
  virtual InputStatisticsPtr input_of(std::string_view weight) const = 0;
};
using StatisticsPtr = std::shared_ptr<const Statistics>;

}  // namespace bantam
