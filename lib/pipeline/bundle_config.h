#pragma once

#include <vector>

#include "base/json.h"
#include "convert/architecture.h"
#include "quantize/variant.h"
#include "shard/layout.h"

namespace bantam {

struct SessionFile {
  DtypeName dtype;
  const Layout* layout;
  bool half_cache = false;  // caches of keys and values are float16
};

// The dtype that a page gets on wasm without asking, and on WebGPU, among those that the bundle holds. On
// WebGPU one that runs on adapters without shader-f16 where there is one: text generation, which reads every
// weight for every token, gets q4 before fp32.
DtypeName default_dtype_wasm(const std::vector<SessionFile>& sessions);
DtypeName default_dtype_webgpu(const std::vector<SessionFile>& sessions, Task task);

// `config` (the checkpoint's config.json) with the field transformers.js_config that makes the bundle load
// without options (browser study, section 1.4): dtype, device_config, use_external_data_format keyed by full
// file name. With half caches also kv_cache_dtype, which transformers.js 3 needs (4 reads the graph).
Json with_transformers_js_config(Json config, const std::vector<SessionFile>& sessions, Task task);

}  // namespace bantam
