#include "base/lanes.h"
#include "convert/lora/kernels.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

// Rows that share what is loaded of `right`.
constexpr int kRows = 4;

template <int Rows>
void add_rows(const LowRankTask& task, std::int64_t row) {
  const float* left = task.left + row * task.rank;
  float* out = task.rows + row * task.width;
  std::int64_t j = 0;
  for (; j + 2 * kLanes <= task.width; j += 2 * kLanes) {
    FloatLanes sums[Rows][2] = {};
    const float* right = task.right + j;
    for (std::int64_t k = 0; k < task.rank; ++k, right += task.width) {
      const FloatLanes low = load(right), high = load(right + kLanes);
      for (int r = 0; r < Rows; ++r) {
        const FloatLanes factor = broadcast(left[r * task.rank + k]);
        sums[r][0] += factor * low;
        sums[r][1] += factor * high;
      }
    }
    for (int r = 0; r < Rows; ++r) {
      float* to = out + r * task.width + j;
      store(to, load(to) + sums[r][0] * task.scale);
      store(to + kLanes, load(to + kLanes) + sums[r][1] * task.scale);
    }
  }
  for (; j < task.width; ++j) {
    for (int r = 0; r < Rows; ++r) {
      float sum = 0;
      for (std::int64_t k = 0; k < task.rank; ++k)
        sum += left[r * task.rank + k] * task.right[k * task.width + j];
      out[r * task.width + j] += sum * task.scale;
    }
  }
}

void add_low_rank(const LowRankTask& task) {
  std::int64_t row = 0;
  for (; row + kRows <= task.row_count; row += kRows) add_rows<kRows>(task, row);
  for (; row < task.row_count; ++row) add_rows<1>(task, row);
}

}  // namespace

extern const LoraKernels kLoraKernels;
const LoraKernels kLoraKernels = {add_low_rank};

}  // namespace bantam::BANTAM_ISA_NAMESPACE
