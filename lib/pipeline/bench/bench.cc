#include "pipeline/bench/bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>

#include "base/error.h"
#include "base/isa.h"
#include "base/parallel.h"

namespace bantam {
namespace {

struct OpenVariant {
  const InspectedVariant* variant;
  Session session;
  double open_ms = 0;
  std::vector<Workload> workloads;
  std::vector<NodeTime> before;  // profile of the warm-up
};

// A workload of an open variant: what the rounds go through.
struct Lane {
  OpenVariant* open;
  const Workload* workload;
};

OpenVariant open_variant(const BundleModel& bundle, const std::string& dtype, const BenchOptions& options) {
  const InspectedVariant& variant = bundle.variant(dtype);
  const auto begin = std::chrono::steady_clock::now();
  Session session = bundle.open(variant, options.session);
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - begin;
  std::vector<Workload> workloads = make_workloads(bundle, session, options.shape);
  return {&variant, std::move(session), elapsed.count(), std::move(workloads), {}};
}

std::vector<std::string> chosen(const BundleModel& bundle, const std::vector<std::string>& dtypes) {
  if (!dtypes.empty()) return dtypes;
  std::vector<std::string> all;
  for (const InspectedVariant& variant : bundle.contents.variants) all.push_back(variant.dtype);
  return all;
}

BenchResult result_of(const Lane& lane, const std::vector<double>& times) {
  BenchResult result;
  result.dtype = lane.open->variant->dtype;
  result.phase = lane.workload->phase;
  result.runs = std::ssize(times);
  result.ms = summarize(times);
  result.tokens_per_s = static_cast<double>(lane.workload->tokens) / (result.ms.median * 1e-3);
  result.open_ms = lane.open->open_ms;
  result.file_bytes = lane.open->variant->bytes;
  result.peak_memory_bytes = lane.open->session.peak_memory();
  result.ops = op_times(lane.open->session.profile(), lane.open->before);
  return result;
}

void compare_with_baseline(Bench& bench) {
  const auto is_float = [](const BenchResult& result) { return result.dtype == "fp32"; };
  bench.baseline = std::ranges::any_of(bench.results, is_float) ? "fp32" : bench.results.front().dtype;
  for (BenchResult& result : bench.results) {
    const auto found = std::ranges::find_if(bench.results, [&](const BenchResult& other) {
      return other.dtype == bench.baseline && other.phase == result.phase;
    });
    BANTAM_ASSERT(found != bench.results.end());
    result.speedup = found->ms.median / result.ms.median;
  }
}

std::int64_t process_peak() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

Bench bench(const BundleModel& bundle, const BenchOptions& options, Progress& progress) {
  const std::vector<std::string> dtypes = chosen(bundle, options.dtypes);
  for (const std::string& dtype : dtypes) bundle.variant(dtype);  // before the first one is opened
  std::deque<OpenVariant> opened;                                 // addresses stay
  std::vector<Lane> lanes;
  std::vector<std::function<void()>> runs;
  progress.begin("open", std::ssize(dtypes), ProgressUnit::kItems);
  for (const std::string& dtype : dtypes) {
    OpenVariant& open = opened.emplace_back(open_variant(bundle, dtype, options));
    for (const Workload& workload : open.workloads) {
      lanes.push_back({&open, &workload});
      runs.emplace_back([&open, &workload] { open.session.run(workload.inputs); });
    }
    progress.advance(1);
  }

  const auto times = time_round_robin(runs, options.limits, [&] {
    for (OpenVariant& open : opened) open.before = open.session.profile();
  });

  Bench bench;
  bench.bundle = bundle.contents.path;
  bench.isa = name(isa());
  bench.shape = options.shape;
  bench.threads = options.session.threads > 0 ? options.session.threads : available_threads();
  for (std::size_t i = 0; i < lanes.size(); ++i) bench.results.push_back(result_of(lanes[i], times[i]));
  compare_with_baseline(bench);
  bench.process_peak_bytes = process_peak();
  return bench;
}

}  // namespace bantam
