#include "convert/blocks/model_graph.h"

#include <algorithm>

#include "base/error.h"

namespace bantam {

ModelGraph new_model(std::string_view family, Task task) {
  ModelGraph model;
  model.family = family;
  model.task = task;
  model.graph.opsets.emplace("", 21);
  model.graph.ir_version = 10;
  return model;
}

void leave_out_other_heads(ModelGraph& model, Weights& weights, std::span<const HeadTensors> heads) {
  weights.drop({"embeddings.position_ids", "embeddings.token_type_ids"});
  std::string names;
  for (const HeadTensors& head : heads) {
    if (std::find(head.tasks.begin(), head.tasks.end(), model.task) != head.tasks.end()) continue;
    for (const std::string& name : weights.drop({head.pattern})) {
      if (!names.empty()) names += ", ";
      names += name;
    }
  }
  if (!names.empty()) {
    model.notes.push_back(fmt::format("left out, {} does not read them: {}", name(model.task), names));
  }
}

}  // namespace bantam
