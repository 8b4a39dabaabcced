#include "pipeline/bundle_config.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace bantam {
namespace {

DtypeName first_of(const std::vector<SessionFile>& sessions, std::initializer_list<DtypeName> order) {
  for (const DtypeName wanted : order) {
    for (const SessionFile& session : sessions) {
      if (session.dtype == wanted) return wanted;
    }
  }
  BANTAM_ASSERT(!sessions.empty());
  return sessions.front().dtype;
}

}  // namespace

DtypeName default_dtype_wasm(const std::vector<SessionFile>& sessions) {
  using enum DtypeName;
  return first_of(sessions, {kQ8, kInt8, kUint8, kQ4, kFp32, kFp16, kQ4F16});
}

// The integer operators of q8 have no WebGPU kernels, and half types fail on adapters without shader-f16.
DtypeName default_dtype_webgpu(const std::vector<SessionFile>& sessions, Task task) {
  using enum DtypeName;
  if (task == Task::kTextGeneration)
    return first_of(sessions, {kQ4, kFp32, kQ4F16, kFp16, kQ8, kInt8, kUint8});
  return first_of(sessions, {kFp32, kQ4, kFp16, kQ4F16, kQ8, kInt8, kUint8});
}

Json with_transformers_js_config(Json config, const std::vector<SessionFile>& sessions, Task task) {
  Json external = Json::object();
  for (const SessionFile& session : sessions) {
    external[session.layout->onnx_name] = static_cast<std::int64_t>(session.layout->shards.size());
  }
  const std::string wasm(name(default_dtype_wasm(sessions)));
  const std::string webgpu(name(default_dtype_webgpu(sessions, task)));
  Json js = {{"dtype", wasm},
             {"device_config", {{"wasm", {{"dtype", wasm}}}, {"webgpu", {{"dtype", webgpu}}}}},
             {"use_external_data_format", std::move(external)}};
  Json caches = Json::object();
  for (const SessionFile& session : sessions) {
    if (session.half_cache) caches[std::string(name(session.dtype))] = "float16";
  }
  if (!caches.empty()) js["kv_cache_dtype"] = std::move(caches);
  config["transformers.js_config"] = std::move(js);
  return config;
}

}  // namespace bantam
