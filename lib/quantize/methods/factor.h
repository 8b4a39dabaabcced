#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "quantize/methods/kernels.h"
#include "quantize/statistics.h"

namespace bantam {

// What GPTQ (Frantar et al. 2022, arXiv 2210.17323) needs of a linear's input: its Hessian H, damped by 8
// width / samples of its mean diagonal, at least by a hundredth as in the paper and at most by all of it; and
// H = R R^T with R upper triangular. An error of d (a row) then costs d H d^T = |d R|^2, so that column j,
// once those before it are rounded, is best rounded at
//     w_j + sum over i < j of d_i R_ij / R_jj,        d_i = w_i - decoded_i
// which is the paper's update, written as what a column receives instead of what it hands on (Chee et al.
// 2023, arXiv 2307.13304, show that they are the same); no inverse is formed.
class Factor {
 public:
  // Throws Error when the Hessian is not finite or not positive definite although damped.
  explicit Factor(const InputStatistics& input);

  FactorView view() const { return {hessian_.data(), feedback_.data()}; }
  // [width], R_jj^2: what an error in column j costs once the columns after it have made up for what they
  // can.
  const std::vector<float>& weights() const { return weights_; }

  static std::int64_t bytes(std::int64_t width);

 private:
  void decompose(std::int64_t width);

  std::vector<float> hessian_;
  std::vector<float> feedback_;
  std::vector<float> weights_;
};
using FactorPtr = std::shared_ptr<const Factor>;

// Factors by input, made when first asked for and kept while they fit into `budget` bytes, the least recently
// used leaving first: weights that read the same input are encoded one after another and share one. A factor
// that is larger than the budget is kept alone. Thread-safe; a second caller waits for the first one's work.
class FactorCache {
 public:
  explicit FactorCache(std::int64_t budget) : budget_(budget) {}
  FactorPtr get(const InputStatisticsPtr& input);

 private:
  struct Entry {
    InputStatisticsPtr input;
    std::once_flag made;
    FactorPtr factor;
    std::int64_t bytes = 0;
  };
  std::shared_ptr<Entry> entry(const InputStatisticsPtr& input);

  const std::int64_t budget_;
  std::mutex mutex_;
  std::list<std::shared_ptr<Entry>> entries_;  // most recently used first
};
using FactorCachePtr = std::shared_ptr<FactorCache>;

}  // namespace bantam
