#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convert/checkpoint.h"
#include "graph/graph.h"

namespace bantam {

// What the exported graph answers. Names are those of the pipelines in transformers and transformers.js.
enum class Task {
  kFeatureExtraction,
  kFillMask,
  kTextClassification,
  kTokenClassification,
  kQuestionAnswering,
  kTextGeneration
};

struct TaskInfo {
  Task task;
  std::string_view name;                 // "text-classification"
  std::string_view architecture_suffix;  // "ForSequenceClassification"; "Model" for feature extraction
};
std::span<const TaskInfo> tasks();
std::string_view name(Task task);

// The task of that name, or of the alias that transformers' pipelines have for it ("ner"). Another one is a
// usage error that lists the known names.
Task parse_task(std::string_view name);

// The task that the folder states. What an adapter was trained for goes before it. A sentence-transformers
// folder (modules.json with a Pooling module) is for feature extraction, whatever class its encoder was saved
// as. Else the class in config.json's `architectures` decides: it must be the model_type's own (remote code
// under that model_type is another model) with a known ending; others are an error that lists the known ones.
// Without `architectures` it is feature extraction when no tensor looks like a head; with one the user has to
// say.
Task task_of(const Checkpoint& checkpoint);

// A checkpoint as a float32 graph that runs like PyTorch, before any quantization.
struct ModelGraph {
  Graph graph;
  Task task = Task::kFeatureExtraction;
  std::string family;
  std::vector<std::string> notes;  // what the user should know: tensors left out, assumptions
};

// A model family: a value in one list, not a base class.
struct Architecture {
  std::string_view family;
  std::span<const std::string_view> model_types;  // config.json model_type values
  std::span<const Task> tasks;
  ModelGraph (*build)(const Checkpoint& checkpoint, Task task);
};

// The one list of families, in architecture_list.cc.
std::span<const Architecture* const> architectures();

// Finds the family of the checkpoint and builds its graph; `task` overrides what the folder says.
// Refuses unknown model types and tasks that the family has no head for (listing the known ones), and
// quantized checkpoints.
ModelGraph build_model(const Checkpoint& checkpoint, std::optional<Task> task);

}  // namespace bantam
