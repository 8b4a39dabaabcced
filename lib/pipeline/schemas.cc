#include "pipeline/schemas.h"

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "base/json_schema.h"

namespace bantam {
namespace {

Json parsed(std::string_view name) {
  for (const SchemaText& schema : schema_texts()) {
    if (schema.name == name) return parse_json(schema.text);
  }
  assertion_failed(std::string(name).c_str(), __FILE__, __LINE__);
}

// Makes every reference one into `document`, which takes up the other files that are referred to:
// "recipe.schema.json#/definitions/role" becomes "#/definitions/recipe.schema.json/definitions/role". `home`
// is the place in `document` of the file that `node` stands in: "" or "/definitions/<file>".
void bundle(Json& node, const std::string& home, Json& document) {
  if (node.is_array()) {
    for (Json& item : node) bundle(item, home, document);
  }
  if (!node.is_object()) return;
  for (auto& [key, value] : node.items()) {
    if (key != "$ref") {
      bundle(value, home, document);
      continue;
    }
    const std::string reference = value.get<std::string>();
    const std::size_t hash = std::min(reference.find('#'), reference.size());
    const std::string file = reference.substr(0, hash);
    const std::string pointer = hash < reference.size() ? reference.substr(hash + 1) : "";
    if (file.empty()) {
      value = "#" + home + pointer;
      continue;
    }
    const std::string place = "/definitions/" + file;
    value = "#" + place + pointer;
    if (document.contains(file)) continue;
    document[file] = nullptr;  // known from now on, should it refer to itself
    Json other = parsed(file);
    bundle(other, place, document);
    document[file] = std::move(other);
  }
}

JsonSchema load(std::string_view name) {
  Json schema = parsed(name);
  Json others = Json::object();
  bundle(schema, "", others);
  for (auto& [file, other] : others.items()) schema["definitions"][file] = std::move(other);
  return JsonSchema(schema);
}

}  // namespace

void check_schema(std::string_view schema, const Json& value) {
  static std::mutex mutex;
  static std::map<std::string, JsonSchema, std::less<>> loaded;
  const JsonSchema* found = nullptr;
  {
    const std::lock_guard lock(mutex);
    auto entry = loaded.find(schema);
    if (entry == loaded.end()) entry = loaded.emplace(schema, load(schema)).first;
    found = &entry->second;
  }
  found->check(value);
}

}  // namespace bantam
