#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace bantam {

// Sums that do not depend on the order of what is added, because they are integers: partial sums of one batch
// are rounded once to a grid that no data chooses, and from then on addition is exact. A split over runs and
// machines gives the bits of one run.

// The largest magnitude of an activation that the sums below have room for.
inline constexpr float kLargestActivation = 0x1p24f;
// The most batches that may ever be added up, over all runs that are merged.
inline constexpr std::int64_t kMostBatches = std::int64_t{1} << 20;

// Sums per channel, in 128 bits of which 48 are behind the point: a batch of 2^10 squares up to 2^48 fits
// 2^20 times.
class ChannelSums {
 public:
  ChannelSums() = default;
  explicit ChannelSums(std::int64_t channels);

  bool empty() const { return words_.empty(); }
  std::int64_t channels() const { return std::ssize(words_) / 2; }
  // `partial` holds one finite number per channel, of magnitude below 2^58.
  void add(std::int64_t channel, double partial);
  void add(const ChannelSums& other);
  double at(std::int64_t channel) const;

  // Per channel the low 64 bits, then the high ones: int64 [channels, 2], as the file has it.
  std::span<const std::int64_t> words() const { return words_; }
  std::span<std::int64_t> words() { return words_; }

 private:
  std::vector<std::int64_t> words_;
};

// The upper triangle of a symmetric matrix [width, width], row by row.
inline std::int64_t triangle_size(std::int64_t width) {
  return width * (width + 1) / 2;
}
// Where row `row` would have its column 0: element (row, column) is at triangle_row(...) + column.
inline std::int64_t triangle_row(std::int64_t width, std::int64_t row) {
  return row * width - row * (row + 1) / 2;
}

// Sums of products X^T X, as int64 on a grid that follows the size of each batch: a batch whose largest
// diagonal element d has floor(log2(d) / 16) = b is added, in units of 2^(16 b - 26), to the sum number b.
// Which sum a batch goes to depends on nothing but the batch; nearly always all of them share one. An element
// is exact to 2^-26 of its batch's largest or better, and 2^20 batches fit.
class TriangleSums {
 public:
  TriangleSums() = default;
  explicit TriangleSums(std::int64_t width) : width_(width) {}

  std::int64_t width() const { return width_; }
  // The sum that a batch of this largest diagonal element is added to (made where it is the first), and what
  // its elements are multiplied by before they are rounded. `largest` is positive.
  struct Target {
    std::span<std::int64_t> sums;  // triangle_size(width)
    double scale = 0;
  };
  Target target(double largest);
  void add(const TriangleSums& other);
  // Fills `out` [width, width] with all sums times `factor`, both triangles.
  void read(double factor, std::span<float> out) const;

  static double scale(int bin);  // 2^(26 - 16 bin)
  std::map<int, std::vector<std::int64_t>>& bins() { return bins_; }
  const std::map<int, std::vector<std::int64_t>>& bins() const { return bins_; }
  static constexpr int kLowestBin = -8, kHighestBin = 4;

 private:
  std::int64_t width_ = 0;
  std::map<int, std::vector<std::int64_t>> bins_;
};

}  // namespace bantam
