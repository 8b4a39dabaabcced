#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "shard/write.h"

namespace bantam {

// One place in one file where a part goes.
struct Destination {
  std::size_t target = 0;
  std::size_t shard = 0;
  std::int64_t offset = 0;
  DType stored = DType::kUndefined;
};

struct PartJob {
  PartSpec spec;
  std::vector<Destination> destinations;
};

// One codec applied to a source.
struct CodecJob {
  CodecPtr codec;
  std::vector<PartJob> parts;
};

// Everything that is made from one source while its rows are read once, for columns [begin, end) of the
// transposed parts. Row-wise parts are written by the panel that begins at column 0.
struct Unit {
  std::string name;
  TensorSourcePtr source;
  std::vector<CodecJob> codecs;
  std::int64_t rows = 0, width = 0, tile_rows = 0, tiles = 0;
  std::int64_t panel_begin = 0, panel_end = 0;
  std::int64_t panel_bytes = 0;  // of all transposed parts of this unit
};

// Groups the weights of all targets by source, in order of first use.
std::vector<Unit> plan_units(std::span<const WriteTarget> targets, const WriteOptions& options);

}  // namespace bantam
