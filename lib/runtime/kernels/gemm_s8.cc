#include "runtime/kernels/gemm_s8.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"

namespace bantam {
namespace {

constexpr int kLargestTile = 12 * 32;

void pack_panel(const std::uint8_t* b, std::uint8_t flip, std::int64_t stride, bool transposed,
                std::int64_t k, std::int64_t n, std::int64_t first, std::int64_t width, std::int8_t* panel,
                std::int32_t* sums) {
  const std::int64_t columns = std::min(width, n - first);
  std::memset(panel, 0, static_cast<std::size_t>(round_up(k, 4) * width));
  for (std::int64_t j = 0; j < columns; ++j) {
    std::int64_t sum = 0;
    for (std::int64_t p = 0; p < k; ++p) {
      const std::uint8_t raw = transposed ? b[(first + j) * stride + p] : b[p * stride + first + j];
      const auto value = static_cast<std::int8_t>(raw ^ flip);
      panel[(p / 4 * width + j) * 4 + p % 4] = value;
      sum += value;
    }
    sums[first + j] = static_cast<std::int32_t>(sum);
  }
}

// The rows of A as the kernel reads them: shifted to unsigned, widened if it wants 16 bits, k padded to
// fours; and the sum of every row.
struct PreparedA {
  const void* values = nullptr;
  std::int64_t stride = 0;  // elements
  std::int32_t* sums = nullptr;
  std::shared_ptr<std::byte> storage, sum_storage;
};

PreparedA prepare(const IntegerA& a, std::int64_t k, bool with_sums, const GemmS8Kernel& kernel,
                  Memory& memory, ThreadPool& pool) {
  PreparedA prepared;
  const auto* bytes = static_cast<const std::uint8_t*>(a.values);
  const bool in_place = !a.is_signed && kernel.a_bytes == 1 && k % 4 == 0;
  prepared.stride = in_place ? a.stride : round_up(k, 4);
  prepared.values = a.values;
  if (!in_place) {
    prepared.storage = memory.allocate(a.m * prepared.stride * kernel.a_bytes);
    prepared.values = prepared.storage.get();
  }
  if (with_sums) {
    prepared.sum_storage = memory.allocate(a.m * 4);
    prepared.sums = reinterpret_cast<std::int32_t*>(prepared.sum_storage.get());
  }
  if (in_place && !with_sums) return prepared;
  const std::uint8_t flip = a.is_signed ? 0x80 : 0;
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(k, 1));
  pool.run(ceil_div(a.m, grain), [&](std::int64_t piece, int) {
    for (std::int64_t row = piece * grain; row < std::min(a.m, (piece + 1) * grain); ++row) {
      const std::uint8_t* in = bytes + row * a.stride;
      if (with_sums) {
        std::uint32_t sum = 0;
        for (std::int64_t p = 0; p < k; ++p) sum += static_cast<std::uint8_t>(in[p] ^ flip);
        prepared.sums[row] = static_cast<std::int32_t>(sum);
      }
      if (in_place) continue;
      const auto copy = [&](auto* out) {
        for (std::int64_t p = 0; p < k; ++p) out[p] = static_cast<std::uint8_t>(in[p] ^ flip);
        std::fill(out + k, out + prepared.stride, 0);
      };
      if (kernel.a_bytes == 1) {
        copy(reinterpret_cast<std::uint8_t*>(prepared.storage.get()) + row * prepared.stride);
      } else {
        copy(reinterpret_cast<std::uint16_t*>(prepared.storage.get()) + row * prepared.stride);
      }
    }
  });
  return prepared;
}

// Unsigned arithmetic wraps around; so do the sums that do not fit.
std::int32_t wrap(std::uint32_t value) {
  return static_cast<std::int32_t>(value);
}
std::uint32_t bits(std::int32_t value) {
  return static_cast<std::uint32_t>(value);
}

class Product {
 public:
  Product(const IntegerA& a, const PackedS8& b, const IntegerOutput& output, Memory& memory, ThreadPool& pool)
      : a_(a), b_(b), output_(output), kernel_(b.kernels->s8), pool_(pool), width_(kernel_.columns) {
    const bool b_shifted = b.was_unsigned || output.b_zeros != nullptr;
    prepared_ = prepare(a, b.k, b_shifted, kernel_, memory, pool);
    zeros_of_b(b_shifted);
    // -a_zero * column sum, and k * a_zero * b_zero: the same for all rows when they share the zero point.
    if (a.zeros == nullptr) column_terms_ = terms_for(a.zero, 0, b.n);
  }

  void run() {
    const std::int64_t panels = ceil_div(b_.n, width_);
    const std::int64_t wanted = 8 * pool_.threads();  // a late thread costs little
    // Blocks of rows that stay in the second cache level beside a panel.
    std::int64_t rows = std::max<std::int64_t>(256 * 1024 / std::max<std::int64_t>(b_.k, 1), kernel_.rows);
    std::int64_t row_blocks = ceil_div(a_.m, rows);
    rows = round_up(ceil_div(a_.m, row_blocks), kernel_.rows);
    row_blocks = ceil_div(a_.m, rows);
    std::int64_t per_block =
        pool_.threads() == 1 ? panels : std::max<std::int64_t>(1, panels * row_blocks / wanted);
    const std::int64_t panel_blocks = ceil_div(panels, per_block);
    per_block = ceil_div(panels, panel_blocks);
    if (pool_.threads() > 1 && row_blocks * panel_blocks < wanted) {
      row_blocks = std::min(ceil_div(a_.m, kernel_.rows), ceil_div(wanted, panel_blocks));
      rows = round_up(ceil_div(a_.m, row_blocks), kernel_.rows);
      row_blocks = ceil_div(a_.m, rows);
    }
    pool_.run(row_blocks * panel_blocks, [&](std::int64_t item, int) {
      const std::int64_t row = item / panel_blocks * rows;
      const std::int64_t panel = item % panel_blocks * per_block;
      block(row, std::min(a_.m, row + rows), panel, std::min(panels, panel + per_block));
    });
  }

 private:
  void zeros_of_b(bool shifted) {
    if (!shifted) return;
    b_zeros_.resize(static_cast<std::size_t>(b_.n));
    for (std::int64_t j = 0; j < b_.n; ++j) {
      const std::int32_t zero = output_.b_zeros != nullptr ? output_.b_zeros[j] : 0;
      b_zeros_[static_cast<std::size_t>(j)] = zero - (b_.was_unsigned ? 128 : 0);
    }
  }

  std::vector<std::int32_t> terms_for(std::int32_t a_zero, std::int64_t column, std::int64_t columns) const {
    const std::int32_t zero = a_zero + (a_.is_signed ? 128 : 0);
    std::vector<std::int32_t> terms;
    for (std::int64_t j = column; j < column + columns; ++j) {
      const std::uint32_t b_zero = b_zeros_.empty() ? 0 : bits(b_zeros_[static_cast<std::size_t>(j)]);
      terms.push_back(
          wrap(bits(zero) * (static_cast<std::uint32_t>(b_.k) * b_zero - bits(b_.column_sums[j]))));
    }
    return terms;
  }

  void block(std::int64_t row, std::int64_t row_end, std::int64_t panel, std::int64_t panel_end) {
    const std::int64_t groups = ceil_div(b_.k, 4);
    const auto* a = static_cast<const std::byte*>(prepared_.values);
    alignas(64) std::int32_t tile[kLargestTile];
    for (; panel < panel_end; ++panel) {
      const std::int64_t column = panel * width_;
      const std::int64_t columns = std::min(width_, b_.n - column);
      const std::int8_t* from = b_.panels + panel * groups * 4 * width_;
      for (std::int64_t at = row; at < row_end; at += kernel_.rows) {
        const int rows = static_cast<int>(std::min<std::int64_t>(kernel_.rows, row_end - at));
        kernel_.tile(rows, groups, a + at * prepared_.stride * kernel_.a_bytes, prepared_.stride, from, tile,
                     width_);
        for (int i = 0; i < rows; ++i) finish(tile + i * width_, at + i, column, columns);
      }
    }
  }

  void finish(const std::int32_t* sums, std::int64_t row, std::int64_t column, std::int64_t columns) const {
    std::vector<std::int32_t> own_terms;
    if (a_.zeros != nullptr) own_terms = terms_for(a_.zeros[row], column, columns);
    const std::int32_t* terms = a_.zeros != nullptr ? own_terms.data() : column_terms_.data() + column;
    const std::int32_t row_sum = prepared_.sums != nullptr ? prepared_.sums[row] : 0;
    const std::int32_t* zeros = b_zeros_.empty() ? nullptr : b_zeros_.data() + column;
    if (output_.scales != nullptr) {
      float* out = static_cast<float*>(output_.c) + row * output_.stride + column;
      const float* bias = output_.bias != nullptr ? output_.bias + column : nullptr;
      kernel_.to_float(sums, row_sum, terms, zeros, output_.scales + column, bias, out, columns);
      if (output_.activation != Activation::kNone)
        b_.kernels->vector.activate(output_.activation, out, out, columns);
      return;
    }
    std::int32_t* out = static_cast<std::int32_t*>(output_.c) + row * output_.stride + column;
    kernel_.to_int(sums, row_sum, terms, zeros, out, columns);
  }

  const IntegerA& a_;
  const PackedS8& b_;
  const IntegerOutput& output_;
  const GemmS8Kernel& kernel_;
  ThreadPool& pool_;
  std::int64_t width_;
  PreparedA prepared_;
  std::vector<std::int32_t> b_zeros_;  // as they are after packing; empty when all are 0
  std::vector<std::int32_t> column_terms_;
};

}  // namespace

PackedS8 pack_s8(const Kernels& kernels, const void* b, bool is_unsigned, std::int64_t stride,
                 bool transposed, std::int64_t k, std::int64_t n, Memory& memory, ThreadPool& pool) {
  const std::int64_t width = kernels.s8.columns;
  const std::int64_t panel_bytes = round_up(k, 4) * width;
  const std::int64_t panels = ceil_div(n, width);
  BANTAM_ASSERT(kernels.s8.rows * kernels.s8.columns <= kLargestTile);
  const std::int64_t sums_at = round_up(panels * panel_bytes, 64);
  const auto storage = memory.allocate(sums_at + n * 4);
  auto* first = reinterpret_cast<std::int8_t*>(storage.get());
  auto* sums = reinterpret_cast<std::int32_t*>(storage.get() + sums_at);
  const auto* bytes = static_cast<const std::uint8_t*>(b);
  pool.run(panels, [&](std::int64_t panel, int) {
    pack_panel(bytes, is_unsigned ? 0x80 : 0, stride, transposed, k, n, panel * width, width,
               first + panel * panel_bytes, sums);
  });
  return {&kernels, k, n, is_unsigned, first, sums, storage};
}

void gemm_s8(const IntegerA& a, const PackedS8& b, const IntegerOutput& output, Memory& memory,
             ThreadPool& pool) {
  if (a.m == 0 || b.n == 0) return;
  Product(a, b, output, memory, pool).run();
}

}  // namespace bantam
