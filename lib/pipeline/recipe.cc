#include "pipeline/recipe.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/units.h"
#include "shard/compress.h"

namespace bantam {
namespace {

// Reads one object of a recipe file and refuses keys that nobody asked for.
class Object {
 public:
  Object(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) fail_usage("{}: an object was expected", where_);
  }
  const Json* find(std::string_view key) {
    known_.emplace_back(key);
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }
  template <typename T>
  void read(std::string_view key, T& out) {
    if (const Json* value = find(key)) {
      try {
        if constexpr (std::is_same_v<T, bool>) {
          if (!value->is_boolean()) throw Json::type_error::create(302, "", value);
        } else if constexpr (std::is_integral_v<T>) {
          if (!value->is_number_integer()) throw Json::type_error::create(302, "", value);
        }
        out = value->get<T>();
      } catch (const Json::exception&) {
        fail_usage("{}: {} has the wrong type: {}", where_, key, value->dump());
      }
    }
  }
  std::string where(std::string_view key) const { return where_ + "." + std::string(key); }
  void finish() const {
    for (const auto& [key, value] : json_.items()) {
      if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
      std::string list;
      for (const std::string& name : known_) list += (list.empty() ? "" : ", ") + name;
      fail_usage("{}: unknown key \"{}\"; known are {}", where_, key, list);
    }
  }

 private:
  const Json& json_;
  std::string where_;
  std::vector<std::string> known_;
};

Role role_from_name(std::string_view text) {
  std::string list;
  for (const RoleInfo& entry : roles()) {
    if (entry.name == text) return entry.role;
    list += (list.empty() ? "" : ", ") + std::string(entry.name);
  }
  fail_usage("unknown role \"{}\"; known are {}", text, list);
}

}  // namespace

Task task_from_name(std::string_view text) {
  std::string list;
  for (const TaskInfo& entry : tasks()) {
    if (entry.name == text) return entry.task;
    list += (list.empty() ? "" : ", ") + std::string(entry.name);
  }
  fail_usage("unknown task \"{}\"; known are {}", text, list);
}

namespace {

Rule read_rule(const Json& json, const std::string& where) {
  Object object(json, where);
  Rule rule;
  std::string role;
  object.read("role", role);
  if (!role.empty()) rule.role = role_from_name(role);
  object.read("match", rule.match);
  object.read("keep", rule.keep);
  object.read("bits", rule.bits);
  object.finish();
  return rule;
}

Variant read_variant(const Json& json, const std::string& where) {
  Object object(json, where);
  std::string dtype;
  object.read("dtype", dtype);
  const auto found = dtype_from_name(dtype);
  if (!found) fail_usage("{}: unknown dtype \"{}\"", where, dtype);
  Variant variant;
  variant.dtype = *found;
  object.read("block_size", variant.block_size);
  object.read("symmetric", variant.symmetric);
  if (const Json* rules = object.find("rules")) {
    if (!rules->is_array()) fail_usage("{}.rules: a list was expected", where);
    for (const Json& rule : *rules) variant.rules.push_back(read_rule(rule, where + ".rules"));
  }
  object.finish();
  return variant;
}

Json rule_json(const Rule& rule) {
  Json json = Json::object();
  if (rule.role) json["role"] = std::string(name(*rule.role));
  if (!rule.match.empty()) json["match"] = rule.match;
  if (rule.keep) json["keep"] = true;
  if (rule.bits != 0) json["bits"] = rule.bits;
  return json;
}

}  // namespace

std::vector<DtypeName> default_dtypes() {
  return {DtypeName::kFp32, DtypeName::kFp16, DtypeName::kQ8, DtypeName::kQ4, DtypeName::kQ4F16};
}

void apply_recipe_file(const std::filesystem::path& path, Recipe& recipe) {
  const Json json = read_json_file(path, {.max_bytes = 1 << 20, .max_depth = 16});
  Object object(json, path.string());
  object.find("$schema");
  object.read("source", recipe.source);
  std::string text;
  object.read("output", text);
  if (!text.empty()) recipe.output = text;
  std::string task;
  object.read("task", task);
  if (!task.empty()) recipe.task = task_from_name(task);
  if (const Json* size = object.find("shard_size")) {
    recipe.shard_bytes = size->is_number_integer() ? size->get<std::int64_t>()
                                                   : parse_bytes(size->is_string() ? size->get<std::string>() : size->dump());
  }
  object.read("compress", recipe.compress);
  object.read("allow_nonfinite", recipe.allow_nonfinite);
  object.read("hash_source", recipe.hash_source);
  if (const Json* variants = object.find("variants")) {
    if (!variants->is_array()) fail_usage("{}: a list was expected", object.where("variants"));
    recipe.variants.clear();
    for (std::size_t i = 0; i < variants->size(); ++i) {
      recipe.variants.push_back(read_variant((*variants)[i], fmt::format("{}.variants[{}]", path.string(), i)));
    }
  }
  object.finish();
}

Json recipe_json(const Recipe& recipe) {
  Json variants = Json::array();
  for (const Variant& variant : recipe.variants) {
    Json entry = {{"dtype", std::string(name(variant.dtype))},
                  {"block_size", variant.block_size},
                  {"symmetric", variant.symmetric}};
    if (!variant.rules.empty()) {
      entry["rules"] = Json::array();
      for (const Rule& rule : variant.rules) entry["rules"].push_back(rule_json(rule));
    }
    variants.push_back(std::move(entry));
  }
  Json json = {{"variants", std::move(variants)}, {"shard_size", recipe.shard_bytes}, {"compress", recipe.compress},
               {"allow_nonfinite", recipe.allow_nonfinite}, {"hash_source", recipe.hash_source}};
  if (recipe.task) json["task"] = std::string(name(*recipe.task));
  return json;
}

void check_recipe(const Recipe& recipe) {
  if (recipe.source.empty()) fail_usage("no source: name a checkpoint folder or a hub id");
  if (recipe.variants.empty()) fail_usage("no dtype: name at least one with --dtype");
  if (recipe.shard_bytes < 64 * 1024) fail_usage("shard size {} is too small; 64KiB is the least", recipe.shard_bytes);
  for (std::size_t i = 0; i < recipe.variants.size(); ++i) {
    const Variant& variant = recipe.variants[i];
    for (std::size_t j = 0; j < i; ++j) {
      if (recipe.variants[j].dtype == variant.dtype) fail_usage("dtype {} is named twice", name(variant.dtype));
    }
    const std::int64_t block = variant.block_size;
    if (block < 16 || block > 256 || (block & (block - 1)) != 0) {
      fail_usage("{}: block size {}; 16, 32, 64, 128 or 256 were expected", name(variant.dtype), block);
    }
    for (const Rule& rule : variant.rules) {
      if (!rule.role && rule.match.empty()) fail_usage("{}: a rule needs a role or a match", name(variant.dtype));
      if (rule.keep == (rule.bits != 0)) fail_usage("{}: a rule says either keep or bits", name(variant.dtype));
      if (rule.bits != 0 && rule.bits != 4 && rule.bits != 8) fail_usage("{}: {} bits in a rule; 4 or 8 were expected", name(variant.dtype), rule.bits);
    }
  }
  for (const std::string& wanted : recipe.compress) {
    const auto known = [&](const Compression& entry) { return entry.name == wanted; };
    if (std::none_of(compressions().begin(), compressions().end(), known)) {
      fail_usage("unknown compression \"{}\"; known are zstd and gzip", wanted);
    }
  }
}

}  // namespace bantam
