#include "convert/blocks/rope.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::string_view kScaling = "rope_scaling";
constexpr std::string_view kParameters = "rope_parameters";
constexpr std::string_view kPartial = "partial_rotary_factor";

// The parameters, whatever generation of config.json they come from.
struct Parameters {
  Config values;  // rope_type and what belongs to it
  double theta;
  double partial;
};

Config sub_object(const Config& config, std::string_view key) {
  const Json& value = config.json().at(std::string(key));
  if (!value.is_object()) fail("{}: {}: an object was expected", config.path().string(), key);
  return {config.path(), value};
}

// An empty object says nothing.
bool states(const Config& config, std::string_view key) {
  return config.has(key) && !sub_object(config, key).json().empty();
}

// What transformers 4 wrote goes first, as in transformers 5.
std::string_view stated_key(const Config& config) {
  return states(config, kScaling) ? kScaling : kParameters;
}

Config values_of(const Config& config, std::string_view key) {
  if (!config.has(key)) return {config.path(), Json::object()};
  Config values = sub_object(config, key);
  for (const std::string_view type : {"full_attention", "sliding_attention"}) {
    if (!values.has(type)) continue;
    fail(
        "{}: {}: {}: parameters for each type of layer are not supported for {}; one set for all was expected",
        config.path().string(), key, type, config.model_type());
  }
  return values;
}

// What stands inside is what transformers computes with.
Parameters parameters_of(const Config& config, std::string_view key, const RopeKeys& keys) {
  Config values = values_of(config, key);
  const double theta = values.number_or("rope_theta", config.number_or(keys.theta, keys.default_theta));
  if (!keys.partial.empty()) {
    const double beside = config.number_or(keys.partial, keys.default_partial);
    const double partial = values.number_or(kPartial, beside);
    return {std::move(values), theta, partial};
  }
  for (const Config& place : {config, values}) {
    const double partial = place.number_or(kPartial, 1);
    if (partial == 1) continue;
    fail("{}: {} is {}, and heads of {} turn as a whole; only 1 is supported", config.path().string(),
         kPartial, partial, config.model_type());
  }
  return {std::move(values), theta, 1};
}

// What stands beside the parameters (Phi-3's files have it there) goes before what stands inside.
std::int64_t trained_length(const Config& config, const Config& values, std::int64_t min) {
  constexpr std::string_view kTrained = "original_max_position_embeddings";
  return (config.has(kTrained) ? config : values).integer(kTrained, min);
}

// As Llama 3.1 stretches its frequencies: long waves by `factor`, short ones not at all, those between by
// parts.
void stretch_llama3(const Config& config, const Config& values, std::vector<float>& frequencies) {
  const double factor = values.number_or("factor", 0);
  const double low = values.number_or("low_freq_factor", 0);
  const double high = values.number_or("high_freq_factor", 0);
  const auto trained = static_cast<double>(trained_length(config, values, 1));
  if (!(factor >= 1) || !(low > 0) || !(high > low)) {
    fail("{}: rope type llama3 needs factor >= 1 and high_freq_factor > low_freq_factor > 0",
         values.path().string());
  }
  for (float& frequency : frequencies) {
    const double wave = 2 * std::numbers::pi / frequency;
    if (wave < trained / high) continue;
    if (wave > trained / low) {
      frequency = static_cast<float>(frequency / factor);
      continue;
    }
    const double smooth = (trained / wave - low) / (high - low);
    frequency = static_cast<float>((1 - smooth) * frequency / factor + smooth * frequency);
  }
}

// One factor for each frequency, all above 0.
std::vector<float> factors(const Config& values, std::string_view key, std::size_t count) {
  std::vector<float> result;
  const Json& json = values.json();
  const auto list = json.find(key);
  if (list != json.end() && list->is_array()) {
    for (const Json& entry : *list) {
      const double factor = entry.is_number() ? entry.get<double>() : 0;
      if (factor > 0) result.push_back(static_cast<float>(factor));
    }
    if (result.size() == count && list->size() == count) return result;
  }
  fail("{}: rope type longrope needs {}, a list of {} numbers above 0", values.path().string(), key, count);
}

void stretch_longrope(const Config& config, const Config& values, const std::vector<float>& powers,
                      Rope& rope) {
  rope.switch_length = trained_length(config, values, 2);
  const auto trained = static_cast<double>(rope.switch_length);
  const double factor = values.has("factor")
                            ? values.number_or("factor", 1)
                            : static_cast<double>(config.integer("max_position_embeddings")) / trained;
  const double usual = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(trained));
  rope.magnitude = static_cast<float>(values.number_or("attention_factor", usual));
  if (!(rope.magnitude > 0)) {
    fail("{}: attention_factor is {}; it must be above 0", values.path().string(), rope.magnitude);
  }
  const std::vector<float> shorter = factors(values, "short_factor", powers.size());
  const std::vector<float> longer = factors(values, "long_factor", powers.size());
  for (std::size_t i = 0; i < powers.size(); ++i) {
    rope.inverse_frequencies[i] = 1.0F / (shorter[i] * powers[i]);
    rope.long_frequencies.push_back(1.0F / (longer[i] * powers[i]));
  }
}

Rope rope_of(const Config& config, const Parameters& parameters, std::int64_t head_size) {
  const Config& values = parameters.values;
  const std::string where = config.path().string();
  if (!(parameters.theta > 0)) fail("{}: rope_theta is {}; it must be above 0", where, parameters.theta);
  if (!(parameters.partial > 0 && parameters.partial <= 1)) {
    fail("{}: partial_rotary_factor is {}; it must be above 0 and at most 1", where, parameters.partial);
  }
  const auto width = static_cast<std::int64_t>(static_cast<double>(head_size) * parameters.partial);
  if (width < 2 || width % 2 != 0) {
    fail("{}: {} of the {} elements of a head would rotate; an even number was expected", where, width,
         head_size);
  }
  Rope rope;
  std::vector<float> powers;
  for (std::int64_t i = 0; i < width; i += 2) {
    // The steps of transformers, each rounded to float32.
    const float exponent = static_cast<float>(i) / static_cast<float>(width);
    powers.push_back(static_cast<float>(std::pow(parameters.theta, static_cast<double>(exponent))));
    rope.inverse_frequencies.push_back(1.0F / powers.back());
  }
  const std::string type = values.string_or(values.first_of({"rope_type", "type"}), "default");
  if (type == "linear") {
    const double factor = values.number_or("factor", 0);
    if (!(factor >= 1)) fail("{}: rope type linear needs factor >= 1", where);
    for (float& frequency : rope.inverse_frequencies) frequency /= static_cast<float>(factor);
  } else if (type == "llama3") {
    stretch_llama3(config, values, rope.inverse_frequencies);
  } else if (type == "longrope") {
    stretch_longrope(config, values, powers, rope);
  } else if (type != "default") {
    fail("{}: rope type {} is not supported; known: default, linear, llama3, longrope", where, quote(type));
  }
  return rope;
}

}  // namespace

Rope read_rope(const Config& config, std::int64_t head_size, const RopeKeys& keys) {
  const std::string_view key = stated_key(config);
  Rope rope = rope_of(config, parameters_of(config, key, keys), head_size);
  if (key == kScaling && states(config, kParameters) &&
      rope != rope_of(config, parameters_of(config, kParameters, keys), head_size)) {
    fail("{}: {} and {} turn heads differently, and only one of them can be meant; leave out the other",
         config.path().string(), kScaling, kParameters);
  }
  return rope;
}

std::int64_t longrope_switch_length(const Config& config) {
  const Config values = values_of(config, stated_key(config));
  return values.has("long_factor") ? trained_length(config, values, 2) : 0;
}

}  // namespace bantam
