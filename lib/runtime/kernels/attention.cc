#include "runtime/kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "runtime/kernels/gemm.h"

namespace bantam {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();
// Scores of one task: they stay in the second cache level between the two products.
constexpr std::int64_t kScoreFloats = 128 * 1024;
// With fewer queries than this, packing K and V costs more than it saves.
constexpr std::int64_t kPackedQueries = 5;

class Worker {
 public:
  Worker(const Attention& attention, const Kernels& kernels) : attention_(attention), kernels_(kernels) {}

  // Floats of scratch memory per worker.
  static std::int64_t scratch(const Attention& a, const Kernels& kernels, std::int64_t rows) {
    std::int64_t packed = 0;
    if (a.queries >= kPackedQueries) {
      packed =
          std::max(packed_floats(kernels, a.head_size, a.keys), packed_floats(kernels, a.keys, a.value_size));
    }
    return rows * a.keys + packed;
  }

  // Queries [first, last) of one batch and head.
  void run(std::int64_t b, std::int64_t h, std::int64_t first, std::int64_t last, float* memory) const {
    const Attention& a = attention_;
    const std::int64_t kv = h / (a.heads / a.kv_heads);
    float* scores = memory;
    float* packed = memory + (last - first) * a.keys;
    const bool pack = a.queries >= kPackedQueries;
    if (pack) {
      const PackedB keys =
          pack_b_into(kernels_, a.k.at(b, kv, 0), a.k.row, true, a.head_size, a.keys, packed);
      gemm_serial(last - first, a.q.at(b, h, first), a.q.row, keys, scores, a.keys, {});
    } else {
      for (std::int64_t i = first; i < last; ++i) {
        for (std::int64_t j = 0; j < a.keys; ++j) {
          scores[(i - first) * a.keys + j] =
              kernels_.vector.dot(a.q.at(b, h, i), a.k.at(b, kv, j), a.head_size);
        }
      }
    }
    for (std::int64_t i = first; i < last; ++i) probabilities(b, h, i, scores + (i - first) * a.keys);
    float* out = const_cast<float*>(a.out.at(b, h, first));
    if (pack) {
      const PackedB values =
          pack_b_into(kernels_, a.v.at(b, kv, 0), a.v.row, false, a.keys, a.value_size, packed);
      gemm_serial(last - first, scores, a.keys, values, out, a.out.row, {});
      return;
    }
    for (std::int64_t i = first; i < last; ++i, out += a.out.row) {
      std::fill_n(out, a.value_size, 0.0f);
      for (std::int64_t j = 0; j < a.keys; ++j) {
        const float weight = scores[(i - first) * a.keys + j];
        if (weight != 0.0f) kernels_.vector.axpy(weight, a.v.at(b, kv, j), out, a.value_size);
      }
    }
  }

 private:
  void capture(Attention::Capture when, std::int64_t b, std::int64_t h, std::int64_t i, const float* row,
               float scale) const {
    const Attention& a = attention_;
    if (a.captured == nullptr || a.capture != when) return;
    float* to = a.captured + ((b * a.heads + h) * a.queries + i) * a.keys;
    for (std::int64_t j = 0; j < a.keys; ++j) to[j] = row[j] * scale;
  }

  void probabilities(std::int64_t b, std::int64_t h, std::int64_t i, float* row) const {
    const Attention& a = attention_;
    const auto batch = static_cast<std::size_t>(b);
    const std::int64_t position = i + (a.offsets.empty() ? 0 : a.offsets[batch]);
    std::int64_t begin = 0;
    std::int64_t end = a.keys;
    if (!a.valid_keys.empty()) end = std::min(end, a.valid_keys[batch]);
    if (a.causal) end = std::min(end, position + 1);
    if (a.right >= 0) end = std::min(end, position + a.right + 1);
    if (a.left >= 0) begin = std::max<std::int64_t>(begin, position - a.left);
    begin = std::min(begin, a.keys);
    end = std::max(end, begin);

    float scale = a.scale;
    capture(Attention::Capture::kScores, b, h, i, row, scale);
    if (a.softcap > 0.0f) {
      for (std::int64_t j = 0; j < a.keys; ++j) row[j] *= scale / a.softcap;
      kernels_.vector.activate(Activation::kTanh, row, row, a.keys);
      scale = a.softcap;
    }
    capture(Attention::Capture::kCapped, b, h, i, row, scale);
    if (a.bias != nullptr) {
      const float* bias = a.bias + b * a.bias_strides[0] + h * a.bias_strides[1] + i * a.bias_strides[2];
      if (a.bias_strides[3] == 1) {
        kernels_.vector.scale_add(row + begin, scale, bias + begin, end - begin);
      } else {
        for (std::int64_t j = begin; j < end; ++j) row[j] = row[j] * scale + bias[j * a.bias_strides[3]];
      }
      scale = 1.0f;
    } else if (scale <= 0.0f) {
      for (std::int64_t j = begin; j < end; ++j) row[j] *= scale;
      scale = 1.0f;
    }
    if (a.captured != nullptr && a.capture == Attention::Capture::kBiased) {
      std::fill(row, row + begin, kNothing);
      std::fill(row + end, row + a.keys, kNothing);
      capture(a.capture, b, h, i, row, scale);
    }
    kernels_.vector.attention_softmax(row + begin, end - begin, scale,
                                      a.sinks != nullptr ? a.sinks[h] : kNothing);
    std::fill(row, row + begin, 0.0f);
    std::fill(row + end, row + a.keys, 0.0f);
    capture(Attention::Capture::kProbabilities, b, h, i, row, 1.0f);
  }

  const Attention& attention_;
  const Kernels& kernels_;
};

}  // namespace

HeadsView heads_first(const float* data, std::int64_t heads, std::int64_t rows, std::int64_t size) {
  return {data, heads * rows * size, rows * size, size};
}
HeadsView rows_first(const float* data, std::int64_t heads, std::int64_t rows, std::int64_t size) {
  return {data, heads * rows * size, size, heads * size};
}

void attend(const Attention& attention, const Kernels& kernels, Memory& memory, ThreadPool& pool) {
  const Attention& a = attention;
  if (a.batch * a.heads * a.queries * a.value_size == 0) return;
  const std::int64_t most = std::max<std::int64_t>(kScoreFloats / std::max<std::int64_t>(a.keys, 1), 16);
  std::int64_t pieces = ceil_div(a.queries, most);
  // One long sequence and few heads: cut the queries, so that all threads have work.
  while (a.batch * a.heads * pieces < pool.threads() && a.queries / (pieces * 2) >= 32) pieces *= 2;
  const std::int64_t rows = ceil_div(a.queries, pieces);
  const std::int64_t scratch = Worker::scratch(a, kernels, rows);
  const auto storage = memory.allocate(scratch * pool.threads() * static_cast<std::int64_t>(sizeof(float)));
  const Worker worker(attention, kernels);
  pool.run(a.batch * a.heads * pieces, [&](std::int64_t item, int thread) {
    const std::int64_t first = item % pieces * rows;
    const std::int64_t head = item / pieces;
    if (first >= a.queries) return;
    float* own = reinterpret_cast<float*>(storage.get()) + thread * scratch;
    worker.run(head / a.heads, head % a.heads, first, std::min(a.queries, first + rows), own);
  });
}

}  // namespace bantam
