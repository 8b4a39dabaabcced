#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/progress.h"
#include "graph/graph.h"
#include "shard/layout.h"

namespace bantam {

// One variant to be written: its graph, and its layout into files of `directory`.
struct WriteTarget {
  const Graph* graph = nullptr;
  const Layout* layout = nullptr;
  std::filesystem::path directory;
};

struct WriteOptions {
  int threads = 1;
  // Transposed tensors are gathered whole in memory, all of them together within this many bytes; a larger
  // one is encoded in column panels, reading its rows once per panel.
  std::int64_t transpose_bytes = std::int64_t{96} << 20;
  bool allow_nonfinite = false;  // let NaN and infinity through where the codec can store them
};

// Peak heap of write_weights in bytes: what a plan prints before any work is done.
std::int64_t write_memory_bound(std::span<const WriteTarget> targets, const WriteOptions& options);
// Bytes that write_weights will read from sources, for progress.
std::int64_t write_read_bytes(std::span<const WriteTarget> targets, const WriteOptions& options);

// Reads every source once, in row tiles, and writes all parts of all targets at their fixed offsets. Weights
// of several targets that share source and codec arithmetic are encoded once. The bytes do not depend on
// threads. Errors name the tensor. Files are created; they must not exist.
void write_weights(std::span<const WriteTarget> targets, const WriteOptions& options, Progress& progress);

}  // namespace bantam
