#include "runtime/kernels/gemm_nbits.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/checked.h"
#include "base/error.h"

namespace bantam {
namespace {

// Rows of the weight that are decoded at a time; a decoded panel stays in the first cache level.
constexpr std::int64_t kDepth = 256;
// Up to so many rows of A the codes are used as they are; beyond it a decoded panel pays for itself.
constexpr std::int64_t kDirectRows = 3;

unsigned code_at(const std::uint8_t* codes, std::int64_t index, int bits) {
  const std::int64_t bit = index * bits;
  return codes[bit / 8] >> (bit % 8) & ((1u << bits) - 1);
}

class Packer {
 public:
  Packer(const Kernels& kernels, const NbitsWeight& weight, std::uint8_t* codes, float* scales, float* zeros)
      : weight_(weight),
        width_(kernels.f32.columns),
        row_bytes_(width_ * weight.bits / 8),
        codes_(codes),
        scales_(scales),
        zeros_(zeros) {}

  void panel(std::int64_t index) const {
    const std::int64_t first = index * width_;
    const std::int64_t columns = std::min(width_, weight_.n - first);
    std::uint8_t* codes = codes_ + index * weight_.k * row_bytes_;
    std::memset(codes, 0, static_cast<std::size_t>(weight_.k * row_bytes_));
    const std::int64_t column_bytes = weight_.blocks() * weight_.block * weight_.bits / 8;
    for (std::int64_t j = 0; j < columns; ++j) {
      const std::uint8_t* column = weight_.codes + (first + j) * column_bytes;
      // Column j is the (j / row_bytes)-th code of byte j % row_bytes: neighbours lie in neighbouring bytes,
      // so that one mask or shift yields a run of columns.
      const int shift = static_cast<int>(j / row_bytes_) * weight_.bits;
      for (std::int64_t p = 0; p < weight_.k; ++p) {
        codes[p * row_bytes_ + j % row_bytes_] |=
            static_cast<std::uint8_t>(code_at(column, p, weight_.bits) << shift);
      }
    }
    for (std::int64_t b = 0; b < weight_.blocks(); ++b) {
      for (std::int64_t j = 0; j < width_; ++j) {
        const std::int64_t at = (index * weight_.blocks() + b) * width_ + j;
        scales_[at] = j < columns ? weight_.scales[(first + j) * weight_.blocks() + b] : 0.0f;
        zeros_[at] = j < columns ? zero(first + j, b) : 0.0f;
      }
    }
  }

 private:
  float zero(std::int64_t column, std::int64_t b) const {
    if (weight_.zeros != nullptr) return weight_.zeros[column * weight_.blocks() + b];
    if (weight_.zero_codes == nullptr) return static_cast<float>(1 << (weight_.bits - 1));
    const std::int64_t row_bytes = ceil_div(weight_.blocks() * weight_.bits, 8);
    return static_cast<float>(code_at(weight_.zero_codes + column * row_bytes, b, weight_.bits));
  }

  const NbitsWeight& weight_;
  std::int64_t width_, row_bytes_;
  std::uint8_t* codes_;
  float* scales_;
  float* zeros_;
};

// One panel of C by decoding and multiplying depth after depth.
void decoded_panel(std::int64_t m, const float* a, std::int64_t lda, const PackedNbits& b, std::int64_t panel,
                   float* c, std::int64_t ldc, const float* bias, float* scratch) {
  const GemmF32Kernel& kernel = b.kernels->f32;
  const std::int64_t width = kernel.columns;
  const int columns = static_cast<int>(std::min(width, b.n - panel * width));
  const std::int64_t blocks = ceil_div(b.k, b.block);
  const std::int64_t row_bytes = width * b.bits / 8;
  const std::int64_t depth = std::max(b.block, kDepth / b.block * b.block);
  for (std::int64_t p = 0; p < b.k; p += depth) {
    const std::int64_t rows_of_b = std::min(depth, b.k - p);
    const std::int64_t scale_at = (panel * blocks + p / b.block) * width;
    b.kernels->nbits.decode(b.bits, b.codes + (panel * b.k + p) * row_bytes, b.scales + scale_at,
                            b.zeros + scale_at, b.block, rows_of_b, scratch);
    for (std::int64_t row = 0; row < m; row += kernel.rows) {
      const int rows = static_cast<int>(std::min<std::int64_t>(kernel.rows, m - row));
      kernel.tile(rows, columns, rows_of_b, a + row * lda + p, lda, scratch, p == 0 ? bias : nullptr,
                  c + row * ldc + panel * width, ldc, p > 0);
    }
  }
}

// The sum of every block of every row: [m, blocks].
std::vector<float> sums_of_blocks(std::int64_t m, const float* a, std::int64_t lda, const PackedNbits& b) {
  std::vector<float> sums;
  for (std::int64_t row = 0; row < m; ++row) {
    for (std::int64_t begin = 0; begin < b.k; begin += b.block) {
      const float* from = a + row * lda;
      sums.push_back(std::accumulate(from + begin, from + std::min(b.k, begin + b.block), 0.0f));
    }
  }
  return sums;
}

void direct_panel(std::int64_t m, const float* a, const std::vector<float>& block_sums, std::int64_t lda,
                  const PackedNbits& b, std::int64_t panel, float* c, std::int64_t ldc, const float* bias) {
  const std::int64_t width = b.kernels->f32.columns;
  const std::int64_t columns = std::min(width, b.n - panel * width);
  const std::int64_t blocks = ceil_div(b.k, b.block);
  float sums[64];
  for (std::int64_t row = 0; row < m; ++row) {
    b.kernels->nbits.row(b.bits, a + row * lda, block_sums.data() + row * blocks,
                         b.codes + panel * b.k * (width * b.bits / 8), b.scales + panel * blocks * width,
                         b.zeros + panel * blocks * width, b.block, b.k, sums);
    float* out = c + row * ldc + panel * width;
    for (std::int64_t j = 0; j < columns; ++j) out[j] = sums[j] + (bias != nullptr ? bias[j] : 0.0f);
  }
}

}  // namespace

PackedNbits pack_nbits(const Kernels& kernels, const NbitsWeight& weight, Memory& memory, ThreadPool& pool) {
  const std::int64_t width = kernels.f32.columns;
  const std::int64_t panels = ceil_div(weight.n, width);
  const std::int64_t code_bytes = round_up(panels * weight.k * width * weight.bits / 8, 64);
  const std::int64_t scale_bytes = round_up(panels * weight.blocks() * width * 4, 64);
  const auto storage = memory.allocate(code_bytes + 2 * scale_bytes);
  auto* codes = reinterpret_cast<std::uint8_t*>(storage.get());
  auto* scales = reinterpret_cast<float*>(storage.get() + code_bytes);
  auto* zeros = reinterpret_cast<float*>(storage.get() + code_bytes + scale_bytes);
  const Packer packer(kernels, weight, codes, scales, zeros);
  pool.run(panels, [&](std::int64_t panel, int) { packer.panel(panel); });
  return {&kernels, weight.bits, weight.k, weight.n, weight.block, codes, scales, zeros, storage};
}

void gemm_nbits(std::int64_t m, const float* a, std::int64_t lda, const PackedNbits& b, float* c,
                std::int64_t ldc, const Epilogue& epilogue, Memory& memory, ThreadPool& pool) {
  if (m == 0 || b.n == 0) return;
  const std::int64_t width = b.kernels->f32.columns;
  const std::int64_t panels = ceil_div(b.n, width);
  const std::int64_t depth = std::max(b.block, kDepth);
  const bool direct = m <= kDirectRows;
  const auto scratch = memory.allocate(direct ? 0 : pool.threads() * depth * width * 4);
  const std::vector<float> block_sums = direct ? sums_of_blocks(m, a, lda, b) : std::vector<float>();
  pool.run(panels, [&](std::int64_t panel, int worker) {
    const std::int64_t columns = std::min(width, b.n - panel * width);
    float padded[64] = {};
    const float* bias = nullptr;
    if (epilogue.bias != nullptr) {
      std::copy_n(epilogue.bias + panel * width, columns, padded);
      bias = padded;
    }
    if (direct) {
      direct_panel(m, a, block_sums, lda, b, panel, c, ldc, bias);
    } else {
      decoded_panel(m, a, lda, b, panel, c, ldc, bias,
                    reinterpret_cast<float*>(scratch.get()) + worker * depth * width);
    }
    if (epilogue.activation == Activation::kNone) return;
    for (std::int64_t row = 0; row < m; ++row) {
      float* out = c + row * ldc + panel * width;
      b.kernels->vector.activate(epilogue.activation, out, out, columns);
    }
  });
}

void round_activations(const float* a, std::int64_t m, std::int64_t k, std::int64_t block, float* out,
                       ThreadPool& pool) {
  pool.run(m, [&](std::int64_t row, int) {
    for (std::int64_t begin = row * k; begin < (row + 1) * k; begin += block) {
      const std::int64_t end = std::min(begin + block, (row + 1) * k);
      float largest = 0;
      for (std::int64_t i = begin; i < end; ++i) largest = std::max(largest, std::abs(a[i]));
      const float scale = largest / 127.0f;
      const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
      for (std::int64_t i = begin; i < end; ++i) out[i] = std::nearbyint(a[i] * inverse) * scale;
    }
  });
}

}  // namespace bantam
