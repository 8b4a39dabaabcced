#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "pipeline/verify/checks.h"

namespace bantam {
namespace {

constexpr std::string_view kConfig = "config.json";

// Every device of transformers.js (src/utils/devices.js).
constexpr std::array<std::string_view, 12> kDeviceNames = {"auto",   "gpu",       "cpu",       "wasm",
                                                           "webgpu", "cuda",      "dml",       "coreml",
                                                           "webnn",  "webnn-npu", "webnn-gpu", "webnn-cpu"};

bool is_device(std::string_view text) {
  return std::ranges::find(kDeviceNames, text) != kDeviceNames.end();
}

bool is_dtype(std::string_view text) {
  return text == "auto" || find_consumer_dtype(text) != nullptr;
}

// A word, or a map from session names to words.
template <typename Known>
void check_words(Findings& findings, const std::string& where, const Json& value, Known known) {
  if (value.is_string()) {
    if (!known(value.get<std::string>())) findings.error(kConfig, "{}: {} is not known", where, value.dump());
  } else if (value.is_object()) {
    for (const auto& entry : value.items()) {
      const Json& word = entry.value();
      if (!word.is_string() || !known(word.get_ref<const std::string&>())) {
        findings.error(kConfig, "{}.{}: {} is not known", where, quote(entry.key()), word.dump());
      }
    }
  } else if (!value.is_null()) {
    findings.error(kConfig, "{}: {} where a name or a map of names was expected", where,
                   value.dump().substr(0, 60));
  }
}

void check_chunk_map(Findings& findings, const std::string& where, const Json& value) {
  const auto sound = [](const Json& count) {
    return count.is_boolean() || (count.is_number_integer() && count.get<std::int64_t>() >= 0);
  };
  if (value.is_object()) {
    for (const auto& [key, count] : value.items()) {
      if (!sound(count))
        findings.error(kConfig, "{}.{}: {} is not a number of files", where, quote(key), count.dump());
    }
  } else if (!value.is_null() && !sound(value)) {
    findings.error(kConfig, "{}: {} is not a number of files", where, value.dump().substr(0, 60));
  }
}

void check_layer(Findings& findings, const std::string& where, const Json& layer) {
  if (!layer.is_object()) {
    findings.error(kConfig, "{} is not an object", where);
    return;
  }
  if (const auto found = layer.find("dtype"); found != layer.end()) {
    check_words(findings, where + ".dtype", *found, is_dtype);
  }
  if (const auto found = layer.find("device"); found != layer.end()) {
    check_words(findings, where + ".device", *found, is_device);
  }
  if (const auto found = layer.find("use_external_data_format"); found != layer.end()) {
    check_chunk_map(findings, where + ".use_external_data_format", *found);
  }
  if (const auto found = layer.find("kv_cache_dtype"); found != layer.end()) {
    check_words(findings, where + ".kv_cache_dtype", *found,
                [](std::string_view text) { return text == "float16" || text == "float32"; });
  }
  if (const auto found = layer.find("free_dimension_overrides"); found != layer.end()) {
    const bool sound = found->is_object() &&
                       std::ranges::all_of(*found, [](const Json& v) { return v.is_number_integer(); });
    if (!sound)
      findings.error(kConfig, "{}.free_dimension_overrides is not a map of names to numbers", where);
  }
}

void check_devices(Findings& findings, const Json& own) {
  const auto devices = own.find("device_config");
  if (devices == own.end()) return;
  if (!devices->is_object()) {
    findings.error(kConfig, "transformers.js_config.device_config is not an object");
    return;
  }
  for (const auto& [device, layer] : devices->items()) {
    if (!is_device(device)) {
      findings.warning(kConfig, "transformers.js_config.device_config.{} is for no device", quote(device));
    }
    check_layer(findings, "transformers.js_config.device_config." + device, layer);
  }
}

}  // namespace

void check_config(Verification& verification) {
  BundleView& view = verification.bundle;
  Findings& findings = verification.findings;
  if (!view.usable(kConfig)) {
    if (!view.exists(kConfig)) findings.error(kConfig, "is missing: transformers.js reads it first");
    return;
  }
  try {
    Json config = read_json_file(view.path(kConfig));
    if (!config.is_object()) fail("is not a JSON object");
    view.config = std::make_shared<const Json>(std::move(config));
  } catch (const Error& error) {
    findings.error(kConfig, "{}", error.message());
    return;
  }
  if (view.model_type().empty()) {
    findings.error(kConfig, "has no \"model_type\": transformers.js cannot choose a class for the model");
  }
  const auto own = view.config->find("transformers.js_config");
  if (own == view.config->end()) {
    findings.warning(
        kConfig,
        "has no \"transformers.js_config\": a page that asks for no dtype gets q8 on wasm and fp32 on WebGPU");
    return;
  }
  check_layer(findings, "transformers.js_config", *own);
  if (own->is_object()) check_devices(findings, *own);
  if (const std::string missing = missing_class(view.task(), view.model_type()); !missing.empty()) {
    findings.warning(kConfig, "{}", missing);
  }
}

}  // namespace bantam
