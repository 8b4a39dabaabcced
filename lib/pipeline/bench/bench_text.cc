#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/table.h"
#include "base/units.h"
#include "pipeline/bench/bench.h"
#include "pipeline/manifest.h"

namespace bantam {
namespace {

Json times_json(const BenchResult& result) {
  return {{"median_ms", result.ms.median}, {"mean_ms", result.ms.mean},
          {"min_ms", result.ms.min},       {"p10_ms", result.ms.p10},
          {"p90_ms", result.ms.p90},       {"tokens_per_s", result.tokens_per_s}};
}

Json result_json(const BenchResult& result) {
  Json json = times_json(result);
  json["dtype"] = result.dtype;
  json["phase"] = result.phase;
  json["runs"] = result.runs;
  json["speedup"] = result.speedup;
  json["open_ms"] = result.open_ms;
  json["file_bytes"] = result.file_bytes;
  json["peak_memory_bytes"] = result.peak_memory_bytes;
  json["ops"] = op_times_json(result.ops);
  return json;
}

}  // namespace

std::string bench_json(const Bench& bench) {
  // On top stand the figures of the first result too: enough for a script that times one variant.
  Json json = times_json(bench.results.front());
  json["tool_version"] = tool_version();
  json["bundle"] = bench.bundle;
  json["isa"] = bench.isa;
  json["threads"] = bench.threads;
  json["batch"] = bench.shape.batch;
  json["length"] = bench.shape.length;
  json["baseline"] = bench.baseline;
  json["process_peak_bytes"] = bench.process_peak_bytes;
  json["variants"] = Json::array();
  for (const BenchResult& result : bench.results) json["variants"].push_back(result_json(result));
  return to_pretty_json(json);
}

std::string bench_table(const Bench& bench) {
  Table table({{"dtype"},
               {"phase"},
               {"median ms", Align::kRight},
               {"min", Align::kRight},
               {"p10", Align::kRight},
               {"p90", Align::kRight},
               {"runs", Align::kRight},
               {"tokens/s", Align::kRight},
               {"x " + bench.baseline, Align::kRight},
               {"memory", Align::kRight}});
  for (const BenchResult& result : bench.results) {
    const auto ms = [](double value) { return fmt::format("{:.3f}", value); };
    table.add_row({result.dtype, result.phase, ms(result.ms.median), ms(result.ms.min), ms(result.ms.p10),
                   ms(result.ms.p90), std::to_string(result.runs),
                   format_count(std::llround(result.tokens_per_s)), fmt::format("{:.2f}", result.speedup),
                   format_bytes(result.peak_memory_bytes)});
  }
  std::string text = table.text();
  text += fmt::format("\nBatch {}, length {}; {} thread{}, instruction set {}; x {}: times as fast.\n",
                      bench.shape.batch, bench.shape.length, bench.threads, bench.threads == 1 ? "" : "s",
                      bench.isa, bench.baseline);
  for (const BenchResult& result : bench.results) {
    if (!result.ops.empty())
      text += fmt::format("\n{}, {}:\n{}", result.dtype, result.phase, op_times_table(result.ops));
  }
  return text;
}

}  // namespace bantam
