#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace bantam {

// transformers.js loads at most this many external data files per session.
inline constexpr std::int64_t kMaxShards = 100;
// Browsers handle larger single files badly (browser study, section 2.3).
inline constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 30;

struct PartPlace {
  std::size_t shard = 0;
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
};

struct ShardFile {
  std::string name;  // "model_q4.onnx_data_3"
  std::int64_t bytes = 0;
};

// Where every part of every weight lies. Fixed before any byte is written, so that output does not depend on
// the order of work.
struct Layout {
  std::string onnx_name;  // "model_q4.onnx"
  std::vector<ShardFile> shards;
  std::vector<std::vector<PartPlace>> places;  // [weight][part]
  std::vector<std::string> notes;              // tensors that exceed a shard, shard size raised
};

// Places parts in the order of graph.weights (execution order), never splitting a tensor, starting a new
// shard when `shard_bytes` would be exceeded; raises the shard size where more than kMaxShards would be
// needed. Tensors of 1 MiB and more start at multiples of 64 KiB (memory mapping), others at multiples of 256
// bytes. Throws Error for a tensor above kMaxFileBytes.
Layout lay_out(const Graph& graph, std::string onnx_name, std::int64_t shard_bytes);

}  // namespace bantam
