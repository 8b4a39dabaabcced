// The only file that sees valijson. It decides; the words come from the schema, because its own name no
// value.
#include "base/json_schema.h"

#include <nlohmann/json.hpp>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"

namespace bantam {
namespace {

using Violation = valijson::ValidationResults::Error;

// As it stands in the file, short enough for a message.
std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string()) return quote(value.get_ref<const std::string&>(), 60);
  return value.dump();
}

// "a, b or c"
std::string alternatives(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::string type_name(const std::string& type) {
  if (type == "array") return "a list";
  if (type == "integer" || type == "object") return "an " + type;
  return type == "null" ? type : "a " + type;
}

// The schema node itself, after "$ref".
const Json& resolved(const Json& root, const Json& node) {
  const auto reference = node.find("$ref");
  if (reference == node.end()) return node;
  return resolved(root, root.at(Json::json_pointer(reference->get<std::string>().substr(1))));
}

// Follows a violation's path through schema and value at once.
struct Place {
  const Json* schema;  // null where the schema does not name the place by properties and items
  const Json* value;
  std::string path;  // "variants[0].block_size"

  void enter(const Json& root, const std::string& step) {
    const Json* next = nullptr;
    if (value->is_array()) {
      value = &value->at(std::stoul(step));
      path += "[" + step + "]";
      if (schema != nullptr && schema->contains("items") && schema->at("items").is_object())
        next = &schema->at("items");
    } else {
      value = &value->at(step);
      path += (path.empty() ? "" : ".") + step;
      if (schema != nullptr && schema->contains("properties") && schema->at("properties").contains(step)) {
        next = &schema->at("properties").at(step);
      } else if (schema != nullptr && schema->contains("additionalProperties") &&
                 schema->at("additionalProperties").is_object()) {
        next = &schema->at("additionalProperties");
      }
    }
    schema = next == nullptr ? nullptr : &resolved(root, *next);
  }
};

std::string unknown_key(const Json& schema, const Json& value) {
  std::vector<std::string_view> known;
  for (const auto& [key, unused] : schema.at("properties").items()) known.push_back(key);
  for (const auto& [key, unused] : value.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string_view near = nearest(key, known);
    if (!near.empty()) return fmt::format("unknown key {}; did you mean {}?", quote(key), near);
    return fmt::format("unknown key {}; known: {}", quote(key), alternatives({known.begin(), known.end()}));
  }
  return "unknown key";
}

std::string missing_key(const Json& schema, const Json& value) {
  for (const Json& key : schema.at("required")) {
    if (!value.contains(key.get<std::string>())) return fmt::format("{} is missing", shown(key));
  }
  return "a key is missing";
}

std::string expected_values(const Json& schema) {
  std::vector<std::string> words;
  for (const Json& word : schema.at("enum"))
    words.push_back(word.is_string() ? word.get<std::string>() : word.dump());
  return alternatives(words);
}

std::string expected_types(const Json& schema) {
  const Json& type = schema.at("type");
  if (type.is_string()) return type_name(type.get<std::string>());
  std::vector<std::string> words;
  for (const Json& word : type) words.push_back(type_name(word.get<std::string>()));
  return alternatives(words);
}

// valijson says which keyword failed; schema and value say what was meant.
std::string problem(const Place& place, const std::string& description) {
  const auto says = [&](std::string_view words) { return description.find(words) != description.npos; };
  const auto has = [&](const char* keyword) {
    return place.schema != nullptr && place.schema->contains(keyword);
  };
  const std::string value = shown(*place.value);
  if (says("'additionalProperties'") && has("properties")) return unknown_key(*place.schema, *place.value);
  if (says("Missing required") && has("required")) return missing_key(*place.schema, *place.value);
  if (says("enum values") && has("enum"))
    return fmt::format("{} where {} was expected", value, expected_values(*place.schema));
  if (says("'const'") && has("const"))
    return fmt::format("{} where {} was expected", value, shown(place.schema->at("const")));
  if (says("'type'") && has("type"))
    return fmt::format("{} where {} was expected", value, expected_types(*place.schema));
  if (says("number greater") && has("minimum"))
    return fmt::format("{} where at least {} was expected", value, place.schema->at("minimum").dump());
  if (says("number less") && has("maximum"))
    return fmt::format("{} where at most {} was expected", value, place.schema->at("maximum").dump());
  if (says("no fewer than") && (place.value->empty() || *place.value == "")) return "is empty";
  if (says("uniqueness")) return "holds an item twice";
  return value + ": " + description;
}

}  // namespace

struct JsonSchema::State {
  Json document;
  valijson::Schema schema;
};

JsonSchema::JsonSchema(const Json& schema) : state_(std::make_unique<State>()) {
  state_->document = schema;
  try {
    valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(state_->document), state_->schema);
  } catch (const std::exception& error) {
    assertion_failed(error.what(), __FILE__, __LINE__);
  }
}

JsonSchema::~JsonSchema() = default;
JsonSchema::JsonSchema(JsonSchema&&) noexcept = default;

void JsonSchema::check(const Json& value) const {
  valijson::Validator validator;
  valijson::ValidationResults results;
  if (validator.validate(state_->schema, valijson::adapters::NlohmannJsonAdapter(value), &results)) return;
  Violation violation, deepest;
  while (results.popError(violation)) {
    if (violation.context.size() > deepest.context.size()) deepest = violation;
  }
  Place place{&resolved(state_->document, state_->document), &value, {}};
  for (std::size_t i = 1; i < deepest.context.size(); ++i) {  // the first is "<root>"
    const std::string& step = deepest.context[i];
    place.enter(state_->document, step.substr(1, step.size() - 2));  // "[0]", "[block_size]"
  }
  const std::string text = problem(place, deepest.description);
  fail("{}", place.path.empty() ? text : place.path + ": " + text);
}

}  // namespace bantam
