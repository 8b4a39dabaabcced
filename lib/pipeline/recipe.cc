#include "pipeline/recipe.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/units.h"
#include "calibrate/ranges/range_picker.h"
#include "pipeline/schemas.h"
#include "shard/compress.h"
#include "shard/layout.h"

namespace bantam {
namespace {

// "3" or "0-3"; the schema has checked that it is digits.
LayerRange read_layers(const std::string& text) {
  const std::size_t dash = text.find('-');
  const auto number = [&](const std::string& digits) -> std::int64_t {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc()) fail("layers: {}: no model has so many", quote(text));
    return value;
  };
  const LayerRange range{number(text.substr(0, dash)),
                         number(dash == std::string::npos ? text : text.substr(dash + 1))};
  if (range.first > range.last) fail("layers: {}: the first is behind the last", quote(text));
  return range;
}

constexpr std::array<Word<Target>, 2> kTargets = {{
    {Target::kTransformersJs4, "tjs4", "transformers.js 4 (default)"},
    {Target::kTransformersJs3, "tjs3",
     "transformers.js 3 as well: without the operators that onnxruntime-web 1.22 lacks"},
}};
constexpr std::array<Word<OpsStyle>, 2> kOpsStyles = {{
    {OpsStyle::kFused, "fused", "what onnxruntime has fast kernels for (default)"},
    {OpsStyle::kStandard, "standard", "ONNX's own operators alone (opset 21), for other runtimes; slower"},
}};
constexpr Word<SparsityMethod> kSparsityMethods[] = {
    {SparsityMethod::kMagnitude, "magnitude", "the smallest of each row"},
    {SparsityMethod::kWanda, "wanda",
     "those that change the row's output least on --calibrate's texts: size times what they meet"},
};

template <typename T>
std::string_view name_in(std::span<const Word<T>> words, T value) {
  const auto found = std::ranges::find(words, value, &Word<T>::value);
  BANTAM_ASSERT(found != words.end());
  return found->name;
}
// A word that the schema has checked.
template <typename T>
T value_in(std::span<const Word<T>> words, const std::string& name) {
  const auto found = std::ranges::find(words, std::string_view(name), &Word<T>::name);
  BANTAM_ASSERT(found != words.end());
  return found->value;
}

// What the schema has checked already is read without asking again.
Rule read_rule(const Json& json) {
  Rule rule{.role = {},
            .match = json.value("match", ""),
            .layers = {},
            .keep = json.value("keep", false),
            .bits = json.value("bits", 0)};
  if (json.contains("layers")) rule.layers = read_layers(json["layers"].get<std::string>());
  if (json.contains("block_size")) rule.block_size = json["block_size"].get<std::int64_t>();
  if (json.contains("symmetric")) rule.symmetric = json["symmetric"].get<bool>();
  for (const RoleInfo& entry : roles()) {
    if (json.contains("role") && entry.name == json["role"].get<std::string>()) rule.role = entry.role;
  }
  return rule;
}

StaticInt8 read_static(const Json& json) {
  StaticInt8 settings;
  settings.ranges = json.value("ranges", settings.ranges);
  if (json.value("format", "qdq") == "qoperator") settings.format = QuantFormat::kQOperator;
  return settings;
}

Variant read_variant(const Json& json) {
  Variant variant{.dtype = *dtype_from_name(json.at("dtype").get<std::string>())};
  variant.block_size = json.value("block_size", variant.block_size);
  variant.symmetric = json.value("symmetric", variant.symmetric);
  if (json.contains("embeddings"))
    variant.fused_embeddings = json["embeddings"].get<std::string>() == "fused";
  if (json.contains("method")) variant.method = method_from_name(json["method"].get<std::string>());
  if (json.contains("static")) variant.static_int8 = read_static(json["static"]);
  if (json.contains("smooth")) variant.smooth = json["smooth"].get<double>();
  if (json.contains("rules")) {
    for (const Json& rule : json["rules"]) variant.rules.push_back(read_rule(rule));
  }
  return variant;
}

std::int64_t read_size(const Json& object, const char* key, std::int64_t otherwise) {
  const auto found = object.find(key);
  if (found == object.end()) return otherwise;
  if (found->is_string()) return with_context(key, [&] { return parse_bytes(found->get<std::string>()); });
  return found->get<std::int64_t>();
}

void apply_recipe(const Json& json, Recipe& recipe) {
  check_schema("recipe.schema.json", json);
  recipe.source = json.value("source", recipe.source);
  recipe.adapter = json.value("adapter", recipe.adapter);
  if (json.contains("stats")) recipe.stats = json["stats"].get<std::string>();
  if (json.contains("output")) recipe.output = json["output"].get<std::string>();
  if (json.contains("task")) recipe.task = parse_task(json["task"].get<std::string>());
  if (json.contains("target")) recipe.target = value_in(targets(), json["target"].get<std::string>());
  if (json.contains("ops")) recipe.ops = value_in(ops_styles(), json["ops"].get<std::string>());
  recipe.shard_bytes = read_size(json, "shard_size", recipe.shard_bytes);
  recipe.binding_bytes = read_size(json, "binding_limit", recipe.binding_bytes);
  recipe.compress = json.value("compress", recipe.compress);
  recipe.canonical = json.value("canonical", recipe.canonical);
  recipe.allow_nonfinite = json.value("allow_nonfinite", recipe.allow_nonfinite);
  recipe.hash_source = json.value("hash_source", recipe.hash_source);
  recipe.page = json.value("page", recipe.page);
  if (json.contains("prune_heads")) {
    const Json& heads = json["prune_heads"];
    set_prune_heads(heads.is_string() ? heads.get<std::string>() : heads.dump(), recipe);
  }
  if (json.contains("sparsity")) {
    const Json& sparsity = json["sparsity"];
    recipe.sparsity = {sparsity["share"].get<double>(),
                       value_in(sparsity_methods(), sparsity["method"].get<std::string>())};
  }
  if (json.contains("variants")) {
    recipe.variants.clear();
    for (const Json& variant : json["variants"]) recipe.variants.push_back(read_variant(variant));
  }
}

Json static_json(const StaticInt8& settings) {
  return {{"ranges", find_range_picker(settings.ranges).name},
          {"format", settings.format == QuantFormat::kQdq ? "qdq" : "qoperator"}};
}

Json rule_json(const Rule& rule) {
  Json json = Json::object();
  if (rule.role) json["role"] = std::string(name(*rule.role));
  if (!rule.match.empty()) json["match"] = rule.match;
  if (rule.layers) json["layers"] = fmt::format("{}-{}", rule.layers->first, rule.layers->last);
  if (rule.keep) json["keep"] = true;
  if (rule.bits != 0) json["bits"] = rule.bits;
  if (rule.block_size) json["block_size"] = *rule.block_size;
  if (rule.symmetric) json["symmetric"] = *rule.symmetric;
  return json;
}

}  // namespace

std::span<const Word<Target>> targets() {
  return kTargets;
}
std::span<const Word<OpsStyle>> ops_styles() {
  return kOpsStyles;
}
std::span<const Word<SparsityMethod>> sparsity_methods() {
  return kSparsityMethods;
}
std::string_view name(SparsityMethod method) {
  return name_in(sparsity_methods(), method);
}
std::string_view name(Target target) {
  return name_in(targets(), target);
}
std::string_view name(OpsStyle ops) {
  return name_in(ops_styles(), ops);
}

std::vector<DtypeName> default_dtypes() {
  return {DtypeName::kFp32, DtypeName::kFp16, DtypeName::kQ8, DtypeName::kQ4, DtypeName::kQ4F16};
}

void apply_recipe_file(const std::filesystem::path& path, Recipe& recipe) {
  try {
    const Json json = read_json_file(path, {.max_bytes = 1 << 20, .max_depth = 16});
    with_context(path.string(), [&] { apply_recipe(json, recipe); });
  } catch (const Error& error) {
    // A recipe is part of the command line: what is wrong in it is wrong usage.
    if (error.code() != ErrorCode::kInvalid) throw;
    throw_error(ErrorCode::kUsage, error.message());
  }
}

Json recipe_json(const Recipe& recipe) {
  Json variants = Json::array();
  for (const Variant& variant : recipe.variants) {
    Json entry = {{"dtype", std::string(name(variant.dtype))},
                  {"block_size", variant.block_size},
                  {"symmetric", variant.symmetric}};
    if (variant.fused_embeddings) entry["embeddings"] = *variant.fused_embeddings ? "fused" : "portable";
    if (variant.method) entry["method"] = std::string(name(*variant.method));
    if (variant.static_int8) entry["static"] = static_json(*variant.static_int8);
    if (variant.smooth) entry["smooth"] = *variant.smooth;
    if (!variant.rules.empty()) {
      entry["rules"] = Json::array();
      for (const Rule& rule : variant.rules) entry["rules"].push_back(rule_json(rule));
    }
    variants.push_back(std::move(entry));
  }
  Json json = {{"variants", std::move(variants)},
               {"shard_size", recipe.shard_bytes},
               {"target", std::string(name(recipe.target))},
               {"ops", std::string(name(recipe.ops))},
               {"compress", recipe.compress},
               {"canonical", recipe.canonical},
               {"allow_nonfinite", recipe.allow_nonfinite},
               {"hash_source", recipe.hash_source},
               {"binding_limit", recipe.binding_bytes},
               {"page", recipe.page}};
  if (recipe.task) json["task"] = std::string(name(*recipe.task));
  if (recipe.prune_list.count() > 0) {
    json["prune_heads"] = head_list(recipe.prune_list);
  } else if (recipe.prune_fraction) {
    json["prune_heads"] = *recipe.prune_fraction;
  }
  if (recipe.sparsity)
    json["sparsity"] = {{"share", recipe.sparsity->share},
                        {"method", std::string(name(recipe.sparsity->method))}};
  return json;
}

void set_prune_heads(std::string_view text, Recipe& recipe) {
  recipe.prune_fraction.reset();
  recipe.prune_list = {};
  if (text.find(':') != std::string_view::npos) {
    recipe.prune_list = parse_head_list(text);
    return;
  }
  double share = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share);
  if (error != std::errc() || end != text.data() + text.size() || !(share > 0 && share < 1)) {
    fail_usage(
        "prune heads: \"{}\": a share of all heads between 0 and 1 (0.2) or a list of them (0:1,3;2:0) was expected",
        text);
  }
  recipe.prune_fraction = share;
}

namespace {

void check_smooth(const Variant& variant) {
  const DtypeName dtype = variant.dtype;
  if (!quantizes_activations(dtype)) {
    fail_usage("{}: only q8, int8 and uint8 quantize activations, which smoothing is for", name(dtype));
  }
  if (!(*variant.smooth > 0 && *variant.smooth <= 1)) {
    fail_usage("{}: smooth {:g}: a number above 0 and at most 1 was expected", name(dtype), *variant.smooth);
  }
}

}  // namespace

void check_sparsity(const Recipe& recipe) {
  const auto [share, method] = *recipe.sparsity;
  if (!(share > 0 && share < 1))
    fail_usage("sparsity {:g}: a share of the weights between 0 and 1 was expected", share);
  if (method == SparsityMethod::kWanda && !recipe.calibrate) {
    fail_usage("sparsity by wanda needs texts (--calibrate FILE); magnitude needs none");
  }
  if (!recipe.stats.empty()) {
    fail_usage(
        "sparsity and --stats: the statistics are of the model before weights left it; --calibrate FILE makes new ones");
  }
  for (const Variant& variant : recipe.variants) {
    if (variant.method == Method::kGptq) {
      fail_usage(
          "{}: gptq passes errors on to the weights that sparsity left out, which then are zero no more; weighted keeps them",
          name(variant.dtype));
    }
  }
}

void check_recipe(const Recipe& recipe) {
  if (recipe.source.empty()) fail_usage("no source: name a checkpoint folder or a hub id");
  if (recipe.variants.empty()) fail_usage("no dtype: name at least one with --dtype");
  if (!recipe.stats.empty() && recipe.calibrate) fail_usage("--stats and --calibrate: one of them is enough");
  if (recipe.sparsity) check_sparsity(recipe);
  if (recipe.prune_fraction && !recipe.calibrate) {
    fail_usage(
        "--prune-heads {}: which heads leave is measured on texts (--calibrate FILE); or name them (0:1,3;2:0)",
        *recipe.prune_fraction);
  }
  if (recipe.shard_bytes < 64 * 1024 || recipe.shard_bytes > kMaxFileBytes) {
    fail_usage("shards of {}; 64KiB to 1GiB were expected", format_bytes(recipe.shard_bytes));
  }
  for (std::size_t i = 0; i < recipe.variants.size(); ++i) {
    const Variant& variant = recipe.variants[i];
    for (std::size_t j = 0; j < i; ++j) {
      if (recipe.variants[j].dtype == variant.dtype)
        fail_usage("dtype {} is named twice", name(variant.dtype));
    }
    if (variant.static_int8) {
      find_range_picker(variant.static_int8->ranges);
      if (variant.dtype != DtypeName::kQ8 && variant.dtype != DtypeName::kInt8) {
        fail_usage("{}: only q8 and int8 have a static form", name(variant.dtype));
      }
    }
    if (variant.smooth) check_smooth(variant);
    const std::int64_t block = variant.block_size;
    if (block < 16 || block > 256 || (block & (block - 1)) != 0) {
      fail_usage("{}: block size {}; 16, 32, 64, 128 or 256 were expected", name(variant.dtype), block);
    }
    for (const Rule& rule : variant.rules) {
      if (!rule.role && rule.match.empty() && !rule.layers)
        fail_usage("{}: a rule needs a role, a match or layers", name(variant.dtype));
      if (rule.bits == 0 && (rule.block_size || rule.symmetric))
        fail_usage("{}: a rule with block_size or symmetric says bits as well", name(variant.dtype));
      if (rule.keep == (rule.bits != 0))
        fail_usage("{}: a rule says either keep or bits", name(variant.dtype));
      if (rule.bits != 0 && rule.bits != 4 && rule.bits != 8)
        fail_usage("{}: {} bits in a rule; 4 or 8 were expected", name(variant.dtype), rule.bits);
    }
  }
  if (recipe.binding_bytes != 0 && recipe.binding_bytes < 4096) {
    fail_usage("bindings of {}; 0 or at least 4KiB were expected", format_bytes(recipe.binding_bytes));
  }
  for (const std::string& wanted : recipe.compress) {
    const auto known = [&](const Compression& entry) { return entry.name == wanted; };
    if (std::none_of(compressions().begin(), compressions().end(), known)) {
      fail_usage("unknown compression \"{}\"; known are zstd and gzip", wanted);
    }
  }
}

}  // namespace bantam
