#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "pipeline/report/report.h"

namespace bantam {
namespace {

Json estimate_json(const Estimate& estimate) {
  return {{"value", estimate.value}, {"low", estimate.low}, {"high", estimate.high}};
}

Estimate read_estimate(const Json& json) {
  return {json.at("value").get<double>(), json.at("low").get<double>(), json.at("high").get<double>()};
}

// Figures of TokenAgreement by their keys, those with an error and those without.
constexpr std::pair<const char*, Measured TokenAgreement::*> kMeasured[] = {
    {"perplexity", &TokenAgreement::perplexity},
    {"reference_perplexity", &TokenAgreement::reference_perplexity},
    {"perplexity_ratio", &TokenAgreement::perplexity_ratio},
    {"ln_perplexity_ratio", &TokenAgreement::ln_perplexity_ratio},
    {"kl_mean", &TokenAgreement::kl_mean},
    {"delta_p_mean", &TokenAgreement::delta_p_mean},
    {"delta_p_rms", &TokenAgreement::delta_p_rms},
    {"same_top", &TokenAgreement::same_top},
};
constexpr std::pair<const char*, double TokenAgreement::*> kQuantiles[] = {
    {"kl_median", &TokenAgreement::kl_median},
    {"kl_p99", &TokenAgreement::kl_p99},
    {"kl_p999", &TokenAgreement::kl_p999},
    {"kl_max", &TokenAgreement::kl_max},
};

Json tokens_json(const TokenAgreement& tokens) {
  Json json = {{"tokens", tokens.tokens}, {"windows", tokens.windows}};
  for (const auto& [key, figure] : kMeasured) {
    json[key] = {{"value", finite_or_null((tokens.*figure).value)},
                 {"error", finite_or_null((tokens.*figure).error)}};
  }
  for (const auto& [key, figure] : kQuantiles) json[key] = finite_or_null(tokens.*figure);
  return json;
}

TokenAgreement read_tokens(const Json& json) {
  TokenAgreement tokens;
  tokens.tokens = json.at("tokens").get<std::int64_t>();
  tokens.windows = json.at("windows").get<std::int64_t>();
  for (const auto& [key, figure] : kMeasured)
    tokens.*
        figure = {number_or_infinity(json.at(key).at("value")), number_or_infinity(json.at(key).at("error"))};
  for (const auto& [key, figure] : kQuantiles) tokens.*figure = number_or_infinity(json.at(key));
  return tokens;
}

std::string_view verdict_name(Gate::Verdict verdict) {
  switch (verdict) {
    case Gate::Verdict::kPassed:
      return "passed";
    case Gate::Verdict::kMissed:
      return "missed";
    case Gate::Verdict::kUndecided:
      return "undecided";
  }
  BANTAM_ASSERT(false);
}

Gate::Verdict read_verdict(const std::string& text) {
  for (const auto verdict : {Gate::Verdict::kPassed, Gate::Verdict::kMissed, Gate::Verdict::kUndecided}) {
    if (verdict_name(verdict) == text) return verdict;
  }
  fail("verdict \"{}\" is not known", text);
}

Json variant_json(const VariantReport& variant) {
  const Agreement& agreement = variant.agreement;
  Json json = {{"dtype", variant.dtype},
               {"bytes", variant.bytes},
               {"bits_per_weight", variant.bits_per_weight},
               {"positions", agreement.positions},
               {"kl_mean", finite_or_null(agreement.kl_mean)},
               {"kl_p999", finite_or_null(agreement.kl_p999)},
               {"kl_max", finite_or_null(agreement.kl_max)},
               {"top1_agreement", agreement.top1},
               {"cosine_mean", agreement.cosine_mean},
               {"cosine_p1", agreement.cosine_p1},
               {"cosine_min", agreement.cosine_min},
               {"max_abs", finite_or_null(agreement.max_abs)},
               {"kl", Json::array()},
               {"first_nonfinite", variant.first_nonfinite},
               {"speed", variant.speed},
               {"layers", Json::array()}};
  for (const double kl : agreement.kl) json["kl"].push_back(finite_or_null(kl));
  if (variant.score) json["score"] = estimate_json(*variant.score);
  if (variant.retention) json["retention"] = estimate_json(*variant.retention);
  if (variant.tokens) json["tokens"] = tokens_json(*variant.tokens);
  if (variant.padded_max_abs) json["padded_max_abs"] = finite_or_null(*variant.padded_max_abs);
  for (const LayerError& layer : variant.layers) {
    json["layers"].push_back({{"name", layer.name}, {"sqnr_db", layer.sqnr_db}, {"cosine", layer.cosine}});
  }
  return json;
}

VariantReport read_variant(const Json& json) {
  VariantReport variant;
  variant.dtype = json.at("dtype").get<std::string>();
  variant.bytes = json.at("bytes").get<std::int64_t>();
  variant.bits_per_weight = json.at("bits_per_weight").get<double>();
  Agreement& agreement = variant.agreement;
  agreement.positions = json.at("positions").get<std::int64_t>();
  agreement.kl_mean = number_or_infinity(json.at("kl_mean"));
  agreement.kl_p999 = number_or_infinity(json.at("kl_p999"));
  agreement.kl_max = number_or_infinity(json.at("kl_max"));
  agreement.top1 = json.at("top1_agreement").get<double>();
  agreement.cosine_mean = json.at("cosine_mean").get<double>();
  agreement.cosine_p1 = json.at("cosine_p1").get<double>();
  agreement.cosine_min = json.at("cosine_min").get<double>();
  agreement.max_abs = number_or_infinity(json.at("max_abs"));
  for (const Json& kl : json.at("kl")) agreement.kl.push_back(number_or_infinity(kl));
  variant.first_nonfinite = json.at("first_nonfinite").get<std::string>();
  variant.speed = json.at("speed").get<double>();
  if (json.contains("score")) variant.score = read_estimate(json.at("score"));
  if (json.contains("retention")) variant.retention = read_estimate(json.at("retention"));
  if (json.contains("tokens")) variant.tokens = read_tokens(json.at("tokens"));
  if (json.contains("padded_max_abs")) variant.padded_max_abs = number_or_infinity(json.at("padded_max_abs"));
  for (const Json& layer : json.at("layers")) {
    variant.layers.push_back({layer.at("name").get<std::string>(), layer.at("sqnr_db").get<double>(),
                              layer.at("cosine").get<double>()});
  }
  return variant;
}

}  // namespace

std::string report_json(const Report& report) {
  Json json = {{"schema_version", kReportSchemaVersion},
               {"tool_version", report.tool_version},
               {"model", report.model},
               {"family", report.family},
               {"task", report.task},
               {"metric", report.metric},
               {"data", report.data},
               {"reference", report.reference},
               {"samples", report.samples},
               {"seed", report.seed},
               {"parameters", report.parameters},
               {"variants", Json::array()},
               {"gates", Json::array()},
               {"notes", report.notes}};
  if (report.reference_score) json["reference_score"] = estimate_json(*report.reference_score);
  for (const VariantReport& variant : report.variants) json["variants"].push_back(variant_json(variant));
  for (const Gate& gate : report.gates) {
    json["gates"].push_back({{"name", gate.name},
                             {"dtype", gate.dtype},
                             {"limit", gate.limit},
                             {"value", finite_or_null(gate.value)},
                             {"verdict", std::string(verdict_name(gate.verdict))},
                             {"text", gate.text}});
  }
  if (!report.frontiers.empty()) json["frontiers"] = frontiers_json(report.frontiers);
  return to_pretty_json(json);
}

Report read_report(const std::string& path) {
  const Json json = read_json_file(path);
  return with_context(path, [&] {
    if (!json.is_object() || !json.contains("schema_version") || !json.contains("variants")) {
      fail("is not a report of bantam evaluate");
    }
    if (json["schema_version"] != kReportSchemaVersion) {
      fail("is a report of schema version {}; this bantam reads version {}", json["schema_version"].dump(),
           kReportSchemaVersion);
    }
    try {
      Report report;
      report.tool_version = json.at("tool_version").get<std::string>();
      report.model = json.at("model").get<std::string>();
      report.family = json.at("family").get<std::string>();
      report.task = json.at("task").get<std::string>();
      report.metric = json.at("metric").get<std::string>();
      report.data = json.at("data").get<std::string>();
      report.reference = json.at("reference").get<std::string>();
      report.samples = json.at("samples").get<std::int64_t>();
      report.seed = json.at("seed").get<std::int64_t>();
      report.parameters = json.at("parameters").get<std::int64_t>();
      report.notes = json.at("notes").get<std::vector<std::string>>();
      if (json.contains("reference_score"))
        report.reference_score = read_estimate(json.at("reference_score"));
      for (const Json& variant : json.at("variants")) report.variants.push_back(read_variant(variant));
      for (const Json& gate : json.at("gates")) {
        report.gates.push_back({gate.at("name").get<std::string>(), gate.at("dtype").get<std::string>(),
                                gate.at("limit").get<double>(), number_or_infinity(gate.at("value")),
                                read_verdict(gate.at("verdict").get<std::string>()),
                                gate.at("text").get<std::string>()});
      }
      for (const Json& frontier : json.value("frontiers", Json::array()))
        report.frontiers.push_back(read_frontier(frontier));
      return report;
    } catch (const Json::exception& error) {
      fail("is not a complete report: {}", error.what());
    }
  });
}

}  // namespace bantam
