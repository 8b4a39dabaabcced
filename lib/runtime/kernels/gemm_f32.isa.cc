// The float tile kernel. Compiled once per instruction-set level; only internal linkage besides the table.
// Accumulators are indexed by constants from a fold expression: GCC 12 spills arrays that a loop indexes.
#include <utility>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/vec.isa.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

#if defined(__AVX512F__)
constexpr int kRows = 12;
#elif defined(__AVX2__) || defined(__SSE2__)
constexpr int kRows = 6;
#elif defined(__aarch64__)
constexpr int kRows = 8;
#else
constexpr int kRows = 4;
#endif
constexpr int kColumns = 2 * kVecLanes;

template <std::size_t... I>
void tile_rows(std::index_sequence<I...>, int n, std::int64_t k, const float* a, std::int64_t lda,
               const float* panel, const float* bias, float* c, std::int64_t ldc, bool accumulate) {
  Vec left[sizeof...(I)];
  Vec right[sizeof...(I)];
  const Vec first_left = bias != nullptr ? load(bias) : zero();
  const Vec first_right = bias != nullptr ? load(bias + kVecLanes) : zero();
  ((left[I] = first_left, right[I] = first_right), ...);
  for (std::int64_t p = 0; p < k; ++p) {
    const Vec b_left = load(panel);
    const Vec b_right = load(panel + kVecLanes);
    panel += kColumns;
    (
        [&] {
          const Vec value = broadcast(a + static_cast<std::int64_t>(I) * lda + p);
          left[I] = fma(value, b_left, left[I]);
          right[I] = fma(value, b_right, right[I]);
        }(),
        ...);
  }
  if (n == kColumns) {
    (
        [&] {
          float* row = c + static_cast<std::int64_t>(I) * ldc;
          store(row, accumulate ? add(load(row), left[I]) : left[I]);
          store(row + kVecLanes, accumulate ? add(load(row + kVecLanes), right[I]) : right[I]);
        }(),
        ...);
    return;
  }
  (
      [&] {
        float whole[kColumns];
        store(whole, left[I]);
        store(whole + kVecLanes, right[I]);
        float* row = c + static_cast<std::int64_t>(I) * ldc;
        for (int j = 0; j < n; ++j) row[j] = accumulate ? row[j] + whole[j] : whole[j];
      }(),
      ...);
}

template <std::size_t kM>
void tile_m(int n, std::int64_t k, const float* a, std::int64_t lda, const float* panel, const float* bias,
            float* c, std::int64_t ldc, bool accumulate) {
  tile_rows(std::make_index_sequence<kM>(), n, k, a, lda, panel, bias, c, ldc, accumulate);
}

using TileFn = void (*)(int, std::int64_t, const float*, std::int64_t, const float*, const float*, float*,
                        std::int64_t, bool);
template <std::size_t... I>
void dispatch(std::index_sequence<I...>, int m, int n, std::int64_t k, const float* a, std::int64_t lda,
              const float* panel, const float* bias, float* c, std::int64_t ldc, bool accumulate) {
  static constexpr TileFn kTiles[] = {tile_m<I + 1>...};
  kTiles[m - 1](n, k, a, lda, panel, bias, c, ldc, accumulate);
}

void tile(int m, int n, std::int64_t k, const float* a, std::int64_t lda, const float* panel,
          const float* bias, float* c, std::int64_t ldc, bool accumulate) {
  dispatch(std::make_index_sequence<kRows>(), m, n, k, a, lda, panel, bias, c, ldc, accumulate);
}

}  // namespace

extern const GemmF32Kernel kGemmF32Kernel;
const GemmF32Kernel kGemmF32Kernel = {kRows, kColumns, tile};

}  // namespace bantam::BANTAM_ISA_NAMESPACE
