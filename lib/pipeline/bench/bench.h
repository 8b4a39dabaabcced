#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "pipeline/bench/round_robin.h"
#include "pipeline/bench/workload.h"
#include "pipeline/bundle_model.h"
#include "pipeline/op_times.h"
#include "runtime/options.h"

namespace bantam {

// One phase of one variant.
struct BenchResult {
  std::string dtype;
  std::string phase;
  std::int64_t runs = 0;
  TimeSummary ms;
  double tokens_per_s = 0;             // at the median
  double speedup = 1;                  // median of the baseline's same phase / this median
  double open_ms = 0;                  // reading the file, packing its weights
  std::int64_t file_bytes = 0;         // of graph and shards
  std::int64_t peak_memory_bytes = 0;  // of tensors, weights included
  std::vector<OpTime> ops;             // of the counted runs; empty unless SessionOptions::profile
};

struct Bench {
  std::string bundle;  // what the user typed
  std::string isa;
  int threads = 0;
  WorkloadShape shape;
  std::string baseline;  // dtype that speedup is against: fp32 where it is among them, else the first
  std::int64_t process_peak_bytes = 0;  // resident memory of the process with all variants open
  std::vector<BenchResult> results;     // by variant, then phase
};

struct BenchOptions {
  std::vector<std::string> dtypes;  // empty: all that the bundle holds
  WorkloadShape shape;
  RoundLimits limits;
  SessionOptions session;
};

// Opens the variants, all at once, and times them in turn. Progress tells what is opened and timed.
Bench bench(const BundleModel& bundle, const BenchOptions& options, Progress& progress);

std::string bench_json(const Bench& bench);  // schemas/bench.schema.json
std::string bench_table(const Bench& bench);

}  // namespace bantam
