#include <nlohmann/json.hpp>

#include "base/json.h"
#include "pipeline/inspect.h"

namespace bantam {
namespace {

Json known(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

template <typename Range, typename Convert>
Json list(const Range& range, Convert convert) {
  Json json = Json::array();
  for (const auto& item : range) json.push_back(convert(item));
  return json;
}

Json total_json(const TensorTotal& total) {
  return {{"name", known(total.name)},
          {"tensors", total.tensors},
          {"elements", total.elements},
          {"bytes", total.bytes}};
}

Json tensor_json(const InspectedTensor& tensor) {
  return {{"name", tensor.name},   {"role", known(tensor.role)}, {"dtype", tensor.dtype},
          {"shape", tensor.shape}, {"bytes", tensor.bytes},      {"file", known(tensor.file)}};
}

Json dim_json(const Dim& dim) {
  return dim.is_fixed() ? Json(dim.value) : known(dim.symbol);
}

Json value_json(const InspectedValue& value) {
  return {{"name", value.name},
          {"dtype", known(value.dtype)},
          {"dims", value.has_dims ? list(value.dims, dim_json) : Json()}};
}

Json file_json(const InspectedFile& file) {
  return {{"name", file.name}, {"bytes", file.bytes}};
}

// The keys that describe tensors and a graph.
void add_content(const std::vector<InspectedTensor>& tensors, const InspectedGraph& graph, Json& json) {
  json["dtypes"] = list(totals_by_dtype(tensors), total_json);
  json["roles"] = list(totals_by_role(tensors), total_json);
  json["tensors"] = list(tensors, tensor_json);
  json["inputs"] = list(graph.inputs, value_json);
  json["outputs"] = list(graph.outputs, value_json);
  json["ops"] = list(graph.ops, [](const OpCount& op) {
    return Json{{"domain", op.domain}, {"type", op.type}, {"count", op.count}};
  });
  json["opsets"] = list(graph.opsets, [](const auto& opset) {
    return Json{{"domain", opset.first}, {"version", opset.second}};
  });
  json["ir_version"] = graph.ir_version == 0 ? Json() : Json(graph.ir_version);
}

Json variant_json(const InspectedVariant& variant) {
  Json json = {{"dtype", variant.dtype},
               {"file", variant.file},
               {"bytes", variant.bytes},
               {"shards", list(variant.shards, file_json)},
               {"forecast", forecast_json(variant.forecast)}};
  add_content(variant.tensors, variant.graph, json);
  return json;
}

}  // namespace

std::string inspection_json(const Inspection& inspection) {
  Json json = {{"kind", name(inspection.kind)},
               {"path", inspection.path},
               {"family", known(inspection.family)},
               {"model_type", known(inspection.model_type)},
               {"task", known(inspection.task)},
               {"default_dtype", known(inspection.default_dtype)},
               {"parameters", inspection.parameters},
               {"bytes", inspection.bytes()},
               {"files", list(inspection.files, file_json)},
               {"variants", list(inspection.variants, variant_json)},
               {"metadata", inspection.metadata},
               {"notes", inspection.notes}};
  add_content(inspection.tensors, inspection.graph, json);
  return to_pretty_json(json);
}

}  // namespace bantam
