#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "graph/graph.h"

namespace bantam {

// What a variant of a bundle will take in a browser: bytes and seconds of the download, memory while it loads
// and runs. The numbers are a model that was fitted to measurements in Chromium
// (benchmarks/browser_memory.mjs; docs/performance.md has both): peaks are within 20 % there.

struct ForecastInput {
  std::string dtype;
  std::vector<const Graph*> graphs;      // all sessions of the variant
  std::vector<std::int64_t> file_bytes;  // of its graphs and their data
  std::int64_t other_bytes = 0;  // config.json, tokenizer.json and what else is fetched with any variant
  bool generates = false;        // computes logits of the last token only
};

enum class Fit : std::uint8_t { kFits, kTight, kNot };
std::string_view name(Fit fit);

// A limit that a variant meets or does not.
struct ForecastVerdict {
  std::string_view limit;       // "wasm_4gib"
  std::string_view title;       // "4 GiB wasm heap"
  std::string_view assumption;  // one line
  Fit fit = Fit::kFits;
};

struct Connection {
  std::string_view name;  // "3G"
  double megabits = 0;    // per second
};
// 3G, 4G, WiFi, fibre: what they bring over an hour, not what they promise.
std::span<const Connection> connections();

struct Forecast {
  std::string dtype;
  std::int64_t download_bytes = 0;
  std::array<double, 4> seconds{};  // on connections()
  std::string largest_initializer;
  std::int64_t largest_binding_bytes = 0;  // the largest initializer, which WebGPU binds as one buffer
  std::int64_t js_peak_bytes = 0;          // transformers.js holds all chunks at once
  std::int64_t js_streaming_bytes =
      0;                             // with web/bantam-loader.mjs and a build with JSPI: one tensor at a time
  std::int64_t wasm_heap_bytes = 0;  // CPU: weights, packed copies, activations of kForecastTokens tokens
  std::int64_t gpu_bytes = 0;        // WebGPU: weights on the GPU
  std::int64_t tab_bytes = 0;        // peak of the renderer process on wasm, with transformers.js 4
  std::int64_t cache_bytes_per_1000 = 0;  // keys and values of 1000 tokens; 0: no decoder
  std::vector<ForecastVerdict> verdicts;
};

inline constexpr std::int64_t kForecastTokens = 128;
inline constexpr std::int64_t kBindingLimit = std::int64_t{128} << 20;  // what every WebGPU adapter offers

Forecast forecast(const ForecastInput& input);
// Whether transformers.js fetches this file of a bundle with every variant.
bool fetched_with_all(std::string_view file);

// Two tables and the assumptions, for people.
std::string describe_forecasts(std::span<const Forecast> forecasts);
// schemas/forecast.schema.json.
Json forecast_json(const Forecast& forecast);

}  // namespace bantam
