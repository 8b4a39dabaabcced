#include "pipeline/forecast/forecast.h"

#include <algorithm>

#include "base/error.h"
#include "pipeline/forecast/graph_memory.h"

namespace bantam {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;
constexpr std::int64_t kGiB = std::int64_t{1} << 30;

// Fitted to Chromium 156, transformers.js 4.3.1 and its onnxruntime-web 1.31 (asyncify build), one thread.
constexpr std::int64_t kRuntimeHeap = 9 * kMiB;    // code's own data, the graph, the session
constexpr std::int64_t kSmallestHeap = 16 * kMiB;  // what the build starts with
constexpr double kPacked = 0.5;  // of matrices that kernels pack: copies that stay beside the originals
constexpr double kGrowth = 1.1;  // the heap grows by fifths; the last one is half used
constexpr std::int64_t kLayerBuffers = 4;       // tensors [tokens, widest] that live at once
constexpr std::int64_t kEmptyTab = 136 * kMiB;  // a page with the library
constexpr std::int64_t kCompiling =
    240 * kMiB;                               // while 27 MB of wasm are compiled; later ones take its place
constexpr std::int64_t kSession = 60 * kMiB;  // beside the heap, while the session is made
constexpr std::int64_t kUnderWay =
    20 * kMiB;  // what web/bantam-loader.mjs has in memory on the way to the disk

// What a phone's and an iOS tab get. Nothing is documented; these are what users report and kill logs show.
constexpr std::int64_t kPhoneTab = kGiB;
constexpr std::int64_t kIosTab = kGiB * 7 / 5;
constexpr double kTightShare = 0.75;

std::int64_t scaled(double factor, std::int64_t bytes) {
  return static_cast<std::int64_t>(factor * static_cast<double>(bytes));
}

std::int64_t heap_of(const GraphMemory& memory, bool generates) {
  const std::int64_t logits_tokens = generates ? 1 : kForecastTokens;
  const std::int64_t activations =
      4 * (kLayerBuffers * kForecastTokens * memory.widest + logits_tokens * memory.vocabulary);
  const std::int64_t needed = kRuntimeHeap + memory.weights +
                              scaled(kPacked, memory.matrices + memory.copies) + 2 * memory.halves +
                              memory.scratch + activations;
  return std::max(kSmallestHeap, scaled(kGrowth, needed));
}

Fit fit(std::int64_t bytes, std::int64_t limit) {
  if (bytes > limit) return Fit::kNot;
  return bytes > scaled(kTightShare, limit) ? Fit::kTight : Fit::kFits;
}

std::vector<ForecastVerdict> judge(const Forecast& result) {
  return {
      {"wasm_4gib", "4 GiB wasm heap", "WebAssembly addresses no more; weights and activations lie inside",
       fit(result.wasm_heap_bytes, 4 * kGiB)},
      {"binding_128mib", "128 MiB bindings",
       "what WebGPU promises for one buffer; desktops offer 1 GiB and more",
       result.largest_binding_bytes > kBindingLimit ? Fit::kNot : Fit::kFits},
      {"phone", "Phone", "a tab of 1 GiB, on Android with 4 GB", fit(result.tab_bytes, kPhoneTab)},
      {"ios_tab", "iOS tab", "a tab of 1.4 GiB, near which iOS is reported to end it",
       fit(result.tab_bytes, kIosTab)},
  };
}

}  // namespace

std::string_view name(Fit value) {
  switch (value) {
    case Fit::kFits:
      return "fits";
    case Fit::kTight:
      return "tight";
    case Fit::kNot:
      return "no";
  }
  BANTAM_ASSERT(false);
}

std::span<const Connection> connections() {
  static constexpr std::array<Connection, 4> kConnections = {
      {{"3G", 1.6}, {"4G", 9}, {"WiFi", 40}, {"fibre", 300}}};
  return kConnections;
}

bool fetched_with_all(std::string_view file) {
  static constexpr std::array<std::string_view, 6> kFiles = {
      "config.json",           "generation_config.json",   "tokenizer.json",
      "tokenizer_config.json", "preprocessor_config.json", "processor_config.json"};
  return std::ranges::find(kFiles, file) != kFiles.end();
}

Forecast forecast(const ForecastInput& input) {
  Forecast result;
  result.dtype = input.dtype;
  std::int64_t largest_file = 0;
  for (const std::int64_t bytes : input.file_bytes) {
    result.js_peak_bytes += bytes;
    largest_file = std::max(largest_file, bytes);
  }
  result.download_bytes = result.js_peak_bytes + input.other_bytes;
  for (std::size_t i = 0; i < result.seconds.size(); ++i) {
    result.seconds[i] = 8e-6 * static_cast<double>(result.download_bytes) / connections()[i].megabits;
  }
  for (const Graph* graph : input.graphs) {
    const GraphMemory memory = graph_memory(*graph);
    result.wasm_heap_bytes +=
        heap_of(memory, input.generates) - (result.wasm_heap_bytes > 0 ? kRuntimeHeap : 0);
    result.gpu_bytes += memory.weights;
    result.cache_bytes_per_1000 += 1000 * memory.cache_per_token;
    if (memory.largest > result.largest_binding_bytes) {
      result.largest_binding_bytes = memory.largest;
      result.largest_initializer = memory.largest_name;
    }
  }
  result.js_streaming_bytes = result.largest_binding_bytes + std::min(kUnderWay, result.js_peak_bytes);
  result.tab_bytes = kEmptyTab + result.js_peak_bytes + largest_file +
                     std::max(kCompiling, result.wasm_heap_bytes + kSession);
  result.verdicts = judge(result);
  return result;
}

}  // namespace bantam
