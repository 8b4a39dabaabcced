#pragma once

#include <cstdint>
#include <vector>

#include "base/parallel.h"
#include "runtime/kernels/kernels.h"
#include "runtime/memory.h"

namespace bantam {

// Scaled dot product attention over any layout of heads: softmax(scale * Q K' + bias) V per batch and head.

// A [batch, head, row, column] array with its strides in elements; columns are neighbours.
struct HeadsView {
  const float* data = nullptr;
  std::int64_t batch = 0, head = 0, row = 0;

  const float* at(std::int64_t b, std::int64_t h, std::int64_t r) const {
    return data + b * batch + h * head + r * row;
  }
};
// [batch, heads, rows, size] and [batch, rows, heads * size].
HeadsView heads_first(const float* data, std::int64_t heads, std::int64_t rows, std::int64_t size);
HeadsView rows_first(const float* data, std::int64_t heads, std::int64_t rows, std::int64_t size);

struct Attention {
  std::int64_t batch = 0, heads = 0, kv_heads = 0, queries = 0, keys = 0, head_size = 0, value_size = 0;
  HeadsView q, k, v;
  HeadsView out;  // written
  float scale = 1.0f;
  float softcap = 0.0f;  // > 0: scores become softcap * tanh(score / softcap)
  // Added to the scores after softcap: element (b, h, i, j) at bias[b * strides[0] + ... + j * strides[3]].
  const float* bias = nullptr;
  std::int64_t bias_strides[4] = {};
  // Query i of batch b stands at position i + offsets[b] (offsets empty: i). It sees keys j with
  // j < valid_keys[b] (empty: all), j <= position when causal, position - left <= j <= position + right.
  std::vector<std::int64_t> offsets;
  std::vector<std::int64_t> valid_keys;
  bool causal = false;
  std::int64_t left = -1, right = -1;  // -1: unbounded
  // One more logit per head that takes probability and gives nothing; null: none.
  const float* sinks = nullptr;

  enum class Capture : std::uint8_t { kScores, kCapped, kBiased, kProbabilities };
  float* captured = nullptr;  // [batch, heads, queries, keys]
  Capture capture = Capture::kScores;
};

// A query that sees no key, or only keys with a bias of -infinity, gives zeros.
void attend(const Attention& attention, const Kernels& kernels, Memory& memory, ThreadPool& pool);

}  // namespace bantam
