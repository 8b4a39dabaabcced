#include "shard/write.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>

#include "base/convert_kernels.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/transpose.h"
#include "shard/job.h"

namespace bantam {
namespace {

// Grants memory for transposed panels in the order of the units; a unit is always granted when nothing is
// held.
class Budget {
 public:
  explicit Budget(std::int64_t limit) : limit_(limit) {}
  void acquire(std::int64_t bytes) {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return held_ == 0 || held_ + bytes <= limit_ || aborted_; });
    held_ += bytes;
  }
  void release(std::int64_t bytes) {
    const std::lock_guard lock(mutex_);
    held_ -= bytes;
    freed_.notify_all();
  }
  void abort() {
    const std::lock_guard lock(mutex_);
    aborted_ = true;
    freed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::int64_t limit_;
  std::int64_t held_ = 0;
  bool aborted_ = false;
};

// One transposed part. Tiles fill it whole, so it need not be cleared first.
struct Panel {
  explicit Panel(std::int64_t size)
      : bytes(std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(size))), count(size) {}
  std::span<std::byte> span() const { return {bytes.get(), static_cast<std::size_t>(count)}; }
  std::unique_ptr<std::byte[]> bytes;
  std::int64_t count;
};

// Panels of a unit that is being worked on, in the order of codecs and parts.
struct Live {
  std::once_flag started;
  std::vector<Panel> panels;
  std::atomic<std::int64_t> tiles_left{0};
};

struct Scratch {
  std::vector<float> floats;
  std::vector<std::byte> raw;
  std::vector<std::vector<std::byte>> parts;
  std::vector<std::uint16_t> halves;
};

struct Item {
  std::size_t unit;
  std::int64_t tile;
};

class Writer {
 public:
  Writer(std::span<const WriteTarget> targets, const WriteOptions& options, Progress& progress)
      : options_(options),
        progress_(progress),
        units_(plan_units(targets, options)),
        live_(units_.size()),
        budget_(options.transpose_bytes),
        scratch_(static_cast<std::size_t>(std::max(options.threads, 1))) {
    for (const WriteTarget& target : targets) {
      std::vector<File> files;
      for (const ShardFile& shard : target.layout->shards) {
        files.push_back(File::create(target.directory / shard.name));
        files.back().resize(shard.bytes);
      }
      files_.push_back(std::move(files));
    }
    for (std::size_t u = 0; u < units_.size(); ++u) {
      live_[u].tiles_left = units_[u].tiles;
      for (std::int64_t tile = 0; tile < units_[u].tiles; ++tile) items_.push_back({u, tile});
    }
  }

  void run() {
    parallel_for(std::ssize(items_), options_.threads, [&](std::int64_t item, int worker) {
      const Item& next = items_[static_cast<std::size_t>(item)];
      try {
        check_cancelled();
        with_context(units_[next.unit].name,
                     [&] { run_tile(next.unit, next.tile, scratch_[static_cast<std::size_t>(worker)]); });
      } catch (...) {
        budget_.abort();
        throw;
      }
    });
    // What was too small for a call of its own.
    for (const std::vector<File>& files : files_) {
      for (const File& file : files) file.start_writeback(0, file.size());
    }
  }

 private:
  void run_tile(std::size_t index, std::int64_t tile, Scratch& scratch) {
    const Unit& unit = units_[index];
    Live& live = live_[index];
    std::call_once(live.started, [&] { start(unit, live); });
    const RowRange rows{tile * unit.tile_rows, std::min(unit.rows, (tile + 1) * unit.tile_rows)};
    scratch.floats.resize(static_cast<std::size_t>(rows.count() * unit.width));
    read_as_float(*unit.source, rows, scratch.raw, scratch.floats);
    require_finite(unit, rows, scratch.floats);
    std::size_t panel = 0;
    for (const CodecJob& job : unit.codecs) encode(unit, job, rows, scratch, live, panel);
    if (unit.panel_begin == 0)
      progress_.advance(rows.count() * byte_size(unit.source->spec().dtype, unit.width));
    if (--live.tiles_left == 0) finish(unit, live);
  }

  void start(const Unit& unit, Live& live) {
    if (unit.panel_bytes == 0) return;
    budget_.acquire(unit.panel_bytes);
    for (const CodecJob& job : unit.codecs) {
      for (const PartJob& part : job.parts) {
        if (!part.spec.transposed) continue;
        const std::int64_t elements = unit.rows * (unit.panel_end - unit.panel_begin);
        live.panels.emplace_back(byte_size(part.spec.dtype, elements));
      }
    }
  }

  void require_finite(const Unit& unit, RowRange rows, std::span<const float> values) const {
    if (options_.allow_nonfinite || !is_float(unit.source->spec().dtype)) return;
    if (!std::isinf(convert_kernels().max_abs(values.data(), std::ssize(values)))) return;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isfinite(values[i])) continue;
      const auto position = static_cast<std::int64_t>(i);
      const std::int64_t row = rows.begin + position / unit.width;
      fail("holds {} at row {}, column {}; --allow-nonfinite lets such values through", values[i], row,
           position % unit.width);
    }
  }

  void encode(const Unit& unit, const CodecJob& job, RowRange rows, Scratch& scratch, Live& live,
              std::size_t& panel) {
    if (job.codec == float_codec()) {  // its bytes are the floats themselves
      if (unit.panel_begin == 0) {
        write_rows(unit, job.parts[0], rows, std::as_bytes(std::span(scratch.floats)), scratch.halves);
      }
      return;
    }
    scratch.parts.resize(std::max(scratch.parts.size(), job.parts.size()));
    std::vector<std::span<std::byte>> spans;
    for (std::size_t p = 0; p < job.parts.size(); ++p) {
      const std::int64_t bytes = row_bytes(unit, job.parts[p].spec) * rows.count();
      scratch.parts[p].resize(static_cast<std::size_t>(bytes));
      spans.emplace_back(scratch.parts[p]);
    }
    job.codec->encode(scratch.floats, unit.width, spans);
    for (std::size_t p = 0; p < job.parts.size(); ++p) {
      const PartJob& part = job.parts[p];
      if (part.spec.transposed) {
        into_panel(unit, part, rows, scratch.parts[p], live.panels[panel++].span());
      } else if (unit.panel_begin == 0) {
        write_rows(unit, part, rows, scratch.parts[p], scratch.halves);
      }
    }
  }

  // Bytes of one row of a part, in the order of the weight's rows.
  static std::int64_t row_bytes(const Unit& unit, const PartSpec& spec) {
    if (unit.rows == 0) return 0;
    return byte_size(spec.dtype, element_count(spec.shape)) / unit.rows;
  }

  void write_rows(const Unit& unit, const PartJob& part, RowRange rows, std::span<const std::byte> bytes,
                  std::vector<std::uint16_t>& halves) {
    const std::int64_t full = row_bytes(unit, part.spec);
    for (const Destination& to : part.destinations) {
      if (to.stored == part.spec.dtype) {
        file(to).write_at(to.offset + rows.begin * full, bytes);
        continue;
      }
      BANTAM_ASSERT(part.spec.dtype == DType::kF32 && to.stored == DType::kF16);
      const std::int64_t count = std::ssize(bytes) / 4;
      halves.resize(static_cast<std::size_t>(count));
      convert_kernels().float_to_fp16(reinterpret_cast<const float*>(bytes.data()), halves.data(), count);
      file(to).write_at(to.offset + rows.begin * full / 2, std::as_bytes(std::span(halves)));
    }
  }

  static void into_panel(const Unit& unit, const PartJob& part, RowRange rows,
                         std::span<const std::byte> bytes, std::span<std::byte> panel) {
    BANTAM_ASSERT(info(part.spec.dtype).bits == 8);
    transpose(bytes.data() + unit.panel_begin, rows.count(), unit.panel_end - unit.panel_begin, unit.width,
              panel.data() + rows.begin, unit.rows, 1);
  }

  void finish(const Unit& unit, Live& live) {
    std::size_t panel = 0;
    for (const CodecJob& job : unit.codecs) {
      for (const PartJob& part : job.parts) {
        if (!part.spec.transposed) continue;
        const std::span<const std::byte> bytes = live.panels[panel++].span();
        for (const Destination& to : part.destinations) {
          file(to).write_at(to.offset + unit.panel_begin * unit.rows, bytes);
        }
      }
    }
    live.panels.clear();
    live.panels.shrink_to_fit();
    if (unit.panel_bytes > 0) budget_.release(unit.panel_bytes);
    if (unit.panel_end == unit.width) start_writeback(unit);
  }

  // The device works while the next tensors are encoded, so that the final sync finds little left to do.
  void start_writeback(const Unit& unit) const {
    constexpr std::int64_t kWorthACall = 1 << 20;
    for (const CodecJob& job : unit.codecs) {
      for (const PartJob& part : job.parts) {
        if (part.spec.bytes() < kWorthACall) continue;
        for (const Destination& to : part.destinations) {
          file(to).start_writeback(to.offset, byte_size(to.stored, element_count(part.spec.shape)));
        }
      }
    }
  }

  const File& file(const Destination& to) const { return files_[to.target][to.shard]; }

  const WriteOptions options_;
  Progress& progress_;
  std::vector<Unit> units_;
  std::vector<Live> live_;
  Budget budget_;
  std::vector<Scratch> scratch_;
  std::vector<std::vector<File>> files_;
  std::vector<Item> items_;
};

}  // namespace

std::int64_t write_memory_bound(std::span<const WriteTarget> targets, const WriteOptions& options) {
  std::int64_t tile = 0, largest = 0, second = 0;
  for (const Unit& unit : plan_units(targets, options)) {
    std::int64_t bytes = unit.tile_rows * unit.width * 4 * 2;  // floats, and the source's own bytes
    std::int64_t parts = 0;
    for (const CodecJob& job : unit.codecs) {
      std::int64_t sum = unit.tile_rows * unit.width * 2;  // halves
      for (const PartJob& part : job.parts)
        sum += part.spec.bytes() / std::max<std::int64_t>(unit.rows, 1) * unit.tile_rows;
      parts = std::max(parts, sum);
    }
    tile = std::max(tile, bytes + parts);
    if (unit.panel_bytes > largest)
      second = std::exchange(largest, unit.panel_bytes);
    else
      second = std::max(second, unit.panel_bytes);
  }
  const std::int64_t panels =
      largest == 0 ? 0 : std::max(largest, std::min(options.transpose_bytes, largest * options.threads));
  return tile * std::max(options.threads, 1) + panels;
}

std::int64_t write_read_bytes(std::span<const WriteTarget> targets, const WriteOptions& options) {
  std::int64_t bytes = 0;
  for (const Unit& unit : plan_units(targets, options)) {
    if (unit.panel_begin == 0) bytes += unit.source->spec().bytes();
  }
  return bytes;
}

void write_weights(std::span<const WriteTarget> targets, const WriteOptions& options, Progress& progress) {
  Writer(targets, options, progress).run();
}

}  // namespace bantam
