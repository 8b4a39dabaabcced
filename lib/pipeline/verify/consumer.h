#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace bantam {

// The rules by which transformers.js finds files, read from the sources of 4.3.1 and 3.8.1
// (src/utils/dtypes.js, src/utils/model-loader.js, src/models/session.js, src/models/session_config.js,
// src/configs.js). Both lines resolve alike but where a field says so.
inline constexpr std::string_view kTransformersJs = "4.3.1 and 3.8.1";

// At most so many external data files per graph.
inline constexpr std::int64_t kMaxChunks = 100;

struct ConsumerDtype {
  std::string_view name;
  std::string_view suffix;
  bool half;      // float16 activations: WebGPU needs shader-f16
  bool since_v4;  // version 3 does not know it
};
std::span<const ConsumerDtype> consumer_dtypes();
const ConsumerDtype* find_consumer_dtype(std::string_view name);

// Where a page or script runs a model: what `device` is when nobody asks for one, and what dtype then means.
enum class Device : std::uint8_t { kWasm, kWebGpu, kNode };
std::span<const Device> devices();
std::string_view name(Device device);        // "wasm", "webgpu", "node"
std::string_view config_key(Device device);  // in device_config: "wasm", "webgpu", "cpu"

// The session files of the class that config.json names, e.g. {"encoder_model", "decoder_model_merged"}.
std::vector<std::string> session_names(const Json& config);

// transformers.js_config as `device` sees it: device_config's entry laid over the rest.
Json config_for(const Json& browser_config, Device device);
// The dtype that a session gets when the page asks for none. `config` is that of config_for().
std::string default_dtype(const Json& config, std::string_view session, Device device);
// How many external data files are fetched with "<session><suffix>.onnx": full file name first, then session
// name.
std::int64_t chunk_count(const Json& config, std::string_view session, std::string_view file);
std::string chunk_name(std::string_view file, std::int64_t index);

// Why the pipeline of `task` refuses models of this type; empty where it does not, or nobody knows.
std::string missing_class(std::string_view task, std::string_view model_type);

// What a session's inputs may be called in the class of this model: what JavaScript feeds, and no more.
// Caches are apart.
std::span<const std::string_view> fed_inputs(std::string_view session, bool decoder_only);

// The names and dimensions of a decoder's caches.
struct CacheShape {
  std::vector<std::string> inputs;           // past_key_values.0.key, ...
  std::vector<std::string> outputs;          // present.0.key, ..., in the same order
  std::optional<std::int64_t> heads, width;  // what version 3 makes of config.json; nothing: not known
};
enum class CacheTable : std::uint8_t {
  kKnown,
  kUnknown,  // the model type is in no table: it gets no cache at all
  kOther,    // a hybrid cache whose names are not checked here
};
// For the session that holds the caches. Throws Error where config.json lacks what the names are made of.
CacheTable cache_shape(const Json& config, CacheShape& shape);

}  // namespace bantam
