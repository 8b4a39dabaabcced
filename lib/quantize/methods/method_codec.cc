#include "quantize/methods/method_codec.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "quantize/codecs/finite.h"

namespace bantam {
namespace {

constexpr float kLargestHalf = 65504.0f;

// `count` values of `bits` bits, low bits first, into ceil(count * bits / 8) bytes.
void pack(const std::uint8_t* values, std::int64_t count, int bits, std::uint8_t* bytes) {
  if (bits == 8) {
    std::copy(values, values + count, bytes);
    return;
  }
  for (std::int64_t i = 0; i + 1 < count; i += 2) {
    bytes[i / 2] = static_cast<std::uint8_t>(values[i] | (values[i + 1] << 4));
  }
  if (count % 2 == 1) bytes[count / 2] = values[count - 1];
}

class MethodCodec final : public Codec {
 public:
  MethodCodec(const BlockwiseOptions& options, std::string name, std::int64_t width, RowMethod method)
      : options_(options),
        plain_(blockwise_codec(options)),
        name_(std::move(name)),
        width_(width),
        method_(std::move(method)) {}

  std::string key() const override {
    return fmt::format("int{}/block={}/{}/{}{}", options_.bits, options_.block_size,
                       options_.symmetric ? "symmetric" : "asymmetric", name_,
                       options_.layout == BlockLayout::kGather ? "/gather" : "");
  }

  std::vector<PartSpec> parts(const TensorSpec& weight) const override { return plain_->parts(weight); }

  void encode(std::span<const float> rows, std::int64_t width,
              std::span<const std::span<std::byte>> parts) const override {
    if (rows.empty()) return;
    BANTAM_ASSERT(width_ == 0 || width == width_);
    BANTAM_ASSERT(width > 0 && std::ssize(rows) % width == 0);
    const std::int64_t count = std::ssize(rows) / width, blocks = ceil_div(width, options_.block_size);
    require_magnitudes(rows, width, kLargestHalf * static_cast<float>(1 << (options_.bits - 1)));
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(count * width));
    std::vector<std::uint8_t> zero_points(static_cast<std::size_t>(count * blocks));
    std::vector<float> scratch(static_cast<std::size_t>(method_scratch(width)));
    constexpr std::uintptr_t kAlign = kMostLanes * sizeof(float);
    const std::uintptr_t off = reinterpret_cast<std::uintptr_t>(scratch.data()) % kAlign;
    MethodTask task;
    task.rows = rows.data();
    task.row_count = count;
    task.width = width;
    task.block_size = options_.block_size;
    task.bits = options_.bits;
    task.symmetric = options_.symmetric;
    task.codes = codes.data();
    BANTAM_ASSERT(std::ssize(parts[1]) == count * blocks * 4);
    task.scales = reinterpret_cast<float*>(parts[1].data());
    task.zero_points = zero_points.data();
    task.scratch = scratch.data() + (off == 0 ? 0 : (kAlign - off) / sizeof(float));
    method_(task);
    write(task, parts);
  }

  void decode(std::span<const std::span<const std::byte>> parts, std::int64_t width,
              std::span<float> rows) const override {
    plain_->decode(parts, width, rows);
  }

 private:
  void write(const MethodTask& task, std::span<const std::span<std::byte>> parts) const {
    const std::int64_t size = options_.block_size, blocks = ceil_div(task.width, size);
    const bool gather = options_.layout == BlockLayout::kGather;
    const std::int64_t row_bytes = ceil_div((gather ? task.width : blocks * size) * options_.bits, 8);
    BANTAM_ASSERT(std::ssize(parts[0]) == task.row_count * row_bytes);
    std::vector<std::uint8_t> row(static_cast<std::size_t>(blocks * size));
    for (std::int64_t r = 0; r < task.row_count; ++r) {
      std::copy(task.codes + r * task.width, task.codes + (r + 1) * task.width, row.begin());
      // The last block is filled up with the code of zero.
      std::fill(row.begin() + task.width, row.end(), task.zero_points[(r + 1) * blocks - 1]);
      pack(row.data(), gather ? task.width : blocks * size, options_.bits,
           reinterpret_cast<std::uint8_t*>(parts[0].data()) + r * row_bytes);
    }
    if (options_.symmetric) return;
    const std::int64_t point_bytes = ceil_div(blocks * options_.bits, 8);
    BANTAM_ASSERT(std::ssize(parts[2]) == task.row_count * point_bytes);
    for (std::int64_t r = 0; r < task.row_count; ++r) {
      pack(task.zero_points + r * blocks, blocks, options_.bits,
           reinterpret_cast<std::uint8_t*>(parts[2].data()) + r * point_bytes);
    }
  }

  const BlockwiseOptions options_;
  const CodecPtr plain_;
  const std::string name_;
  const std::int64_t width_;
  const RowMethod method_;
};

}  // namespace

CodecPtr method_codec(const BlockwiseOptions& options, std::string name, std::int64_t width,
                      RowMethod method) {
  return std::make_shared<MethodCodec>(options, std::move(name), width, std::move(method));
}

}  // namespace bantam
