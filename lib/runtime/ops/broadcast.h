#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/ops/common.h"

namespace bantam {

// The shape that all of `shapes` broadcast to (multidirectional, as ONNX and numpy define it).
Shape broadcast_shape(std::span<const Shape* const> shapes);
inline Shape broadcast_shape(const Shape& a, const Shape& b) {
  return broadcast_shape(std::array<const Shape*, 2>{&a, &b});
}

// How N inputs are walked to fill an output of the broadcast shape: neighbouring dimensions that all inputs
// walk alike are merged, so that inner runs are long.
class BroadcastWalk {
 public:
  static constexpr int kMaxInputs = 3;

  BroadcastWalk(std::span<const Shape* const> shapes, const Shape& output);

  std::int64_t total() const { return total_; }
  // How far input `i` advances per element of a run: 0 (repeats) or 1.
  std::int64_t inner_stride(int i) const { return strides_.back()[static_cast<std::size_t>(i)]; }

  // Calls body(out, offsets, count) for runs of `count` consecutive outputs from offset `out`; offsets[i] is
  // where input i starts. In parallel.
  template <typename Body>
  void run(ThreadPool& pool, const Body& body) const {
    parallel_pieces(pool, total_, kElementGrain,
                    [&](std::int64_t begin, std::int64_t end) { walk(begin, end, body); });
  }

 private:
  using Offsets = std::array<std::int64_t, kMaxInputs>;

  template <typename Body>
  void walk(std::int64_t begin, std::int64_t end, const Body& body) const {
    const std::size_t last = dims_.size() - 1;
    std::vector<std::int64_t> index(dims_.size());
    std::int64_t rest = begin;
    for (std::size_t d = dims_.size(); d-- > 0;) {
      index[d] = rest % dims_[d];
      rest /= dims_[d];
    }
    Offsets offsets{};
    for (std::size_t d = 0; d < dims_.size(); ++d) {
      for (std::size_t i = 0; i < offsets.size(); ++i) offsets[i] += index[d] * strides_[d][i];
    }
    while (begin < end) {
      const std::int64_t count = std::min(end - begin, dims_[last] - index[last]);
      body(begin, offsets, count);
      begin += count;
      index[last] += count;
      for (std::size_t i = 0; i < offsets.size(); ++i) offsets[i] += count * strides_[last][i];
      for (std::size_t d = last; d > 0 && index[d] == dims_[d]; --d) {
        index[d] = 0;
        ++index[d - 1];
        for (std::size_t i = 0; i < offsets.size(); ++i) {
          offsets[i] += strides_[d - 1][i] - dims_[d] * strides_[d][i];
        }
      }
    }
  }

  std::int64_t total_ = 1;
  std::vector<std::int64_t> dims_;  // merged, outermost first; never empty
  std::vector<Offsets> strides_;
};

}  // namespace bantam
