#include <nlohmann/json.hpp>

#include "base/json.h"
#include "pipeline/verify/op_support.h"
#include "pipeline/verify/verify.h"

namespace bantam {
namespace {

Json known(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json variant_json(const VariantOutlook& variant) {
  Json json = {{"dtype", variant.dtype},
               {"bytes", variant.bytes},
               {"devices", Json::object()},
               {"forecast", variant.forecast ? forecast_json(*variant.forecast) : Json()}};
  for (const Outlook& outlook : variant.outlooks) {
    json["devices"][std::string(name(outlook.device))] = {{"verdict", name(outlook.verdict)},
                                                          {"default", outlook.is_default},
                                                          {"reason", known(outlook.reason)}};
  }
  return json;
}

}  // namespace

std::string verification_json(const VerifyResult& result) {
  Json json = {{"path", result.path},
               {"passed", result.passed()},
               {"task", known(result.task)},
               {"model_type", known(result.model_type)},
               {"files", result.files},
               {"bytes", result.bytes},
               {"rules", {{"transformers.js", kTransformersJs}, {"onnxruntime-web", kOrtWeb}}},
               {"checks", Json::array()},
               {"findings", Json::array()},
               {"variants", Json::array()}};
  for (const CheckResult& check : result.checks) {
    json["checks"].push_back(
        {{"name", check.name}, {"what", check.what}, {"errors", check.errors}, {"warnings", check.warnings}});
  }
  for (const Finding& finding : result.findings) {
    json["findings"].push_back({{"severity", name(finding.severity)},
                                {"check", finding.check},
                                {"file", known(finding.file)},
                                {"message", finding.message}});
  }
  for (const VariantOutlook& variant : result.variants) json["variants"].push_back(variant_json(variant));
  return to_pretty_json(json);
}

}  // namespace bantam
