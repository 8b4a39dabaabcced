#include "pipeline/preprocessor_config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"

namespace bantam {

std::string make_preprocessor_config(const SourceFiles& files) {
  const auto found = files.find("processor_config.json");
  if (found == files.end() || files.contains("preprocessor_config.json")) return {};
  const Json processor = read_json_file(found->second, {.max_bytes = 16 << 20, .max_depth = 64});
  if (!processor.is_object()) fail("{}: a JSON object was expected", found->second.string());
  Json made = Json::object();
  for (const char* section : {"feature_extractor", "image_processor"}) {
    if (const auto part = processor.find(section); part != processor.end() && part->is_object())
      made.update(*part);
  }
  if (made.empty()) return {};  // transformers 4: the sections are in preprocessor_config.json itself
  if (const auto type = made.find("image_processor_type"); type != made.end() && type->is_string()) {
    auto& name = type->get_ref<std::string&>();
    if (name.ends_with("Fast")) name.resize(name.size() - 4);
  }
  if (processor.contains("processor_class")) made["processor_class"] = processor["processor_class"];
  return to_pretty_json(made);
}

}  // namespace bantam
