#include "runtime/kernels/gemm.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"

namespace bantam {
namespace {

// Rows of B that stay in the first cache levels while the rows of A pass over them.
constexpr std::int64_t kDepth = 384;
// Floats of A that stay in the second cache level while the panels of B pass over them.
constexpr std::int64_t kBlockFloats = 96 * 1024;
// Multiply-adds below which handing out work costs more than it gains.
constexpr std::int64_t kSerialWork = 32 * 1024;

// Columns [first, first + width) of B as one panel.
void pack_panel(const float* b, std::int64_t stride, bool transposed, std::int64_t k, std::int64_t n,
                std::int64_t first, std::int64_t width, float* panel) {
  const std::int64_t columns = std::min(width, n - first);
  if (!transposed) {
    for (std::int64_t p = 0; p < k; ++p) {
      std::memcpy(panel + p * width, b + p * stride + first,
                  static_cast<std::size_t>(columns) * sizeof(float));
      std::fill(panel + p * width + columns, panel + (p + 1) * width, 0.0f);
    }
    return;
  }
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t p = 0; p < k; p += kBlock) {
    const std::int64_t end = std::min(k, p + kBlock);
    for (std::int64_t j = 0; j < columns; ++j) {
      const float* row = b + (first + j) * stride;
      for (std::int64_t q = p; q < end; ++q) panel[q * width + j] = row[q];
    }
    for (std::int64_t q = p; q < end; ++q)
      std::fill(panel + q * width + columns, panel + (q + 1) * width, 0.0f);
  }
}

// One block of C: rows [row, row_end) and panels [panel, panel_end).
struct Block {
  std::int64_t row, row_end, panel, panel_end;
};

void run_block(const Block& block, const float* a, std::int64_t lda, const PackedB& b, float* c,
               std::int64_t ldc, const Epilogue& epilogue) {
  const GemmF32Kernel& kernel = b.kernels->f32;
  const std::int64_t width = kernel.columns;
  for (std::int64_t p = 0; p == 0 || p < b.k; p += kDepth) {
    const std::int64_t depth = std::min(kDepth, b.k - p);
    for (std::int64_t panel = block.panel; panel < block.panel_end; ++panel) {
      const std::int64_t column = panel * width;
      const int columns = static_cast<int>(std::min(width, b.n - column));
      const float* from = b.panels + panel * b.k * width + p * width;
      float padded[64];
      const float* bias = nullptr;
      if (p == 0 && epilogue.bias != nullptr) {
        bias = epilogue.bias + column;
        if (columns < width) {
          std::fill(std::copy_n(bias, columns, padded), padded + width, 0.0f);
          bias = padded;
        }
      }
      for (std::int64_t row = block.row; row < block.row_end; row += kernel.rows) {
        const int rows = static_cast<int>(std::min<std::int64_t>(kernel.rows, block.row_end - row));
        kernel.tile(rows, columns, depth, a + row * lda + p, lda, from, bias, c + row * ldc + column, ldc,
                    p > 0);
      }
    }
  }
  if (epilogue.activation == Activation::kNone) return;
  const std::int64_t column = block.panel * width;
  const std::int64_t columns = std::min(block.panel_end * width, b.n) - column;
  for (std::int64_t row = block.row; row < block.row_end; ++row) {
    float* out = c + row * ldc + column;
    b.kernels->vector.activate(epilogue.activation, out, out, columns);
  }
}

std::int64_t panels_of(const PackedB& b) {
  return ceil_div(b.n, b.kernels->f32.columns);
}

// Rows per block: as many as the cache holds, whole tiles, evenly spread.
std::int64_t rows_per_block(std::int64_t m, std::int64_t k, int tile) {
  const std::int64_t most =
      std::max<std::int64_t>(kBlockFloats / std::max<std::int64_t>(std::min(k, kDepth), 1), tile);
  const std::int64_t blocks = ceil_div(m, most);
  return round_up(ceil_div(m, std::max<std::int64_t>(blocks, 1)), tile);
}

}  // namespace

std::int64_t packed_floats(const Kernels& kernels, std::int64_t k, std::int64_t n) {
  return round_up(n, kernels.f32.columns) * k;
}

PackedB pack_b_into(const Kernels& kernels, const float* b, std::int64_t stride, bool transposed,
                    std::int64_t k, std::int64_t n, float* scratch) {
  const std::int64_t width = kernels.f32.columns;
  for (std::int64_t panel = 0; panel * width < n; ++panel) {
    pack_panel(b, stride, transposed, k, n, panel * width, width, scratch + panel * width * k);
  }
  return {&kernels, k, n, scratch, nullptr};
}

PackedB pack_b(const Kernels& kernels, const float* b, std::int64_t stride, bool transposed, std::int64_t k,
               std::int64_t n, Memory& memory, ThreadPool& pool) {
  const std::int64_t width = kernels.f32.columns;
  const auto storage =
      memory.allocate(packed_floats(kernels, k, n) * static_cast<std::int64_t>(sizeof(float)));
  auto* panels = reinterpret_cast<float*>(storage.get());
  pool.run(ceil_div(n, width), [&](std::int64_t panel, int) {
    pack_panel(b, stride, transposed, k, n, panel * width, width, panels + panel * width * k);
  });
  return {&kernels, k, n, panels, storage};
}

void gemm_serial(std::int64_t m, const float* a, std::int64_t lda, const PackedB& b, float* c,
                 std::int64_t ldc, const Epilogue& epilogue) {
  const std::int64_t rows = rows_per_block(m, b.k, b.kernels->f32.rows);
  for (std::int64_t row = 0; row < m; row += rows) {
    run_block({row, std::min(m, row + rows), 0, panels_of(b)}, a, lda, b, c, ldc, epilogue);
  }
}

void gemm(std::int64_t m, const float* a, std::int64_t lda, const PackedB& b, float* c, std::int64_t ldc,
          const Epilogue& epilogue, ThreadPool& pool) {
  if (m == 0 || b.n == 0) return;
  if (pool.threads() == 1 || m * b.n * std::max<std::int64_t>(b.k, 1) < kSerialWork) {
    return gemm_serial(m, a, lda, b, c, ldc, epilogue);
  }
  // About eight blocks per thread, so that a late thread costs little; more when the rows need it for the
  // cache.
  const std::int64_t wanted = 8 * pool.threads();
  const std::int64_t panels = panels_of(b);
  std::int64_t rows = rows_per_block(m, b.k, b.kernels->f32.rows);
  std::int64_t row_blocks = ceil_div(m, rows);
  std::int64_t per_block = std::max<std::int64_t>(1, panels * row_blocks / wanted);
  const std::int64_t panel_blocks = ceil_div(panels, per_block);
  per_block = ceil_div(panels, panel_blocks);
  if (row_blocks * panel_blocks < wanted) {  // few panels: cut the rows finer
    row_blocks = std::min(ceil_div(m, b.kernels->f32.rows), ceil_div(wanted, panel_blocks));
    rows = round_up(ceil_div(m, row_blocks), b.kernels->f32.rows);
    row_blocks = ceil_div(m, rows);
  }
  pool.run(row_blocks * panel_blocks, [&](std::int64_t item, int) {
    const std::int64_t row = item / panel_blocks * rows;
    const std::int64_t panel = item % panel_blocks * per_block;
    run_block({row, std::min(m, row + rows), panel, std::min(panels, panel + per_block)}, a, lda, b, c, ldc,
              epilogue);
  });
}

}  // namespace bantam
