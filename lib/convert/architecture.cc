#include "convert/architecture.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"

namespace bantam {
namespace {

constexpr std::array<TaskInfo, 6> kTasks = {{
    {Task::kFeatureExtraction, "feature-extraction", "Model"},
    {Task::kFillMask, "fill-mask", "ForMaskedLM"},
    {Task::kTextClassification, "text-classification", "ForSequenceClassification"},
    {Task::kTokenClassification, "token-classification", "ForTokenClassification"},
    {Task::kQuestionAnswering, "question-answering", "ForQuestionAnswering"},
    {Task::kTextGeneration, "text-generation", "ForCausalLM"},
}};

struct TaskAlias {
  std::string_view name;
  Task task;
};
// transformers.js and the hub know some tasks by a second name.
constexpr std::array<TaskAlias, 4> kAliases = {{
    {"sentiment-analysis", Task::kTextClassification},
    {"ner", Task::kTokenClassification},
    {"embeddings", Task::kFeatureExtraction},
    {"sentence-similarity", Task::kFeatureExtraction},
}};

// PEFT's words for what an adapter was trained for; others leave the question to the base.
constexpr std::array<TaskAlias, 4> kAdapterTasks = {{
    {"SEQ_CLS", Task::kTextClassification},
    {"TOKEN_CLS", Task::kTokenClassification},
    {"QUESTION_ANS", Task::kQuestionAnswering},
    {"FEATURE_EXTRACTION", Task::kFeatureExtraction},
}};

// Tensors that belong to a head, in the names of the supported families.
constexpr std::array<std::string_view, 11> kHeadPrefixes = {
    "cls.",
    "classifier.",
    "pre_classifier.",
    "qa_outputs.",
    "lm_head.",
    "vocab_",
    "predictions.",
    "score.",
    "generator_",
    "discriminator_predictions.",
    "sop_classifier.",
};

std::string task_names() {
  std::string text;
  for (const TaskInfo& info : kTasks) text += (text.empty() ? "" : ", ") + std::string(info.name);
  return text;
}

std::string lower_case(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// How many characters of a class name spell the model type: "xlm-roberta" of a config and "XLMRoberta" of its
// classes are the same word. The text model alone of one with several parts, "gemma3_text", has no word of
// its own there. 0: the class belongs to another model.
std::size_t length_of_model_type(std::string_view class_name, std::string_view model_type) {
  std::string word = lower_case(model_type);
  std::erase_if(word, [](char c) { return c == '-' || c == '_'; });
  const std::string name = lower_case(class_name);
  if (name.starts_with(word)) return word.size();
  if (!model_type.ends_with("_text")) return 0;
  word.erase(word.size() - std::string_view("text").size());
  return name.starts_with(word) ? word.size() : 0;
}

// The modules of a sentence-transformers folder, in order, by the last part of their type: "Transformer",
// "Pooling". None for other folders.
std::vector<std::string> sentence_modules(const Checkpoint& checkpoint) {
  const auto path = checkpoint.directory / "modules.json";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  const Json modules = read_json_file(path, {.max_bytes = 1 << 20, .max_depth = 16});
  const auto fail_module = [&] {
    fail("{}: a list of modules with their types was expected", path.string());
  };
  if (!modules.is_array()) fail_module();
  std::vector<std::string> kinds;
  for (const Json& module : modules) {
    if (!module.is_object() || !module.contains("type") || !module["type"].is_string()) fail_module();
    const auto& type = module["type"].get_ref<const std::string&>();
    kinds.push_back(type.substr(type.rfind('.') + 1));
  }
  return kinds;
}

bool has_pooling(const std::vector<std::string>& modules) {
  return std::ranges::find(modules, "Pooling") != modules.end();
}

// What sentence-transformers computes after pooling and the graph (and transformers.js' pipeline) does not.
void note_later_modules(const std::vector<std::string>& modules, ModelGraph& model) {
  if (model.task != Task::kFeatureExtraction || !has_pooling(modules)) return;
  for (const std::string& kind : modules) {
    if (kind == "Transformer" || kind == "Pooling" || kind == "Normalize") continue;
    model.notes.push_back(fmt::format(
        "modules.json has a {} module, which is not exported: sentence-transformers gives other embeddings",
        quote(kind)));
  }
}

// The family that serves `model_type`; null when there is none.
const Architecture* family_of(std::string_view model_type) {
  for (const Architecture* architecture : architectures()) {
    if (std::ranges::find(architecture->model_types, model_type) != architecture->model_types.end())
      return architecture;
  }
  return nullptr;
}

// Whether the family of `model_type` has a head for the task; of unknown families nothing is known.
bool may_serve(std::string_view model_type, Task task) {
  const Architecture* family = family_of(model_type);
  return family == nullptr || std::ranges::find(family->tasks, task) != family->tasks.end();
}

std::optional<Task> task_of_ending(std::string_view ending, std::string_view model_type) {
  for (const TaskInfo& info : kTasks) {
    if (ending == info.architecture_suffix && may_serve(model_type, info.task)) return info.task;
  }
  // What GPT-2's language model has always been called.
  if (ending == "LMHeadModel" && family_of(model_type) != nullptr &&
      may_serve(model_type, Task::kTextGeneration)) {
    return Task::kTextGeneration;
  }
  // Pretraining heads hold a masked language model, but for ELECTRA's, which tells replaced tokens from real
  // ones.
  if (ending == "ForPreTraining") return model_type == "electra" ? Task::kFeatureExtraction : Task::kFillMask;
  return std::nullopt;
}

Task task_of_class(const Config& config, std::string_view class_name) {
  const std::string type = config.model_type();
  const std::size_t length = length_of_model_type(class_name, type);
  if (length > 0) {
    if (const auto task = task_of_ending(class_name.substr(length), type)) return *task;
  }
  const std::string_view model = length > 0 ? class_name.substr(0, length) : "...";
  std::string known;
  for (const TaskInfo& info : kTasks) {
    if (!may_serve(type, info.task)) continue;
    known +=
        fmt::format("{}{}{} ({})", known.empty() ? "" : ", ", model, info.architecture_suffix, info.name);
  }
  fail("{}: architectures: {} is not a class of {} that can be converted; known: {}", config.path().string(),
       quote(class_name), quote(type), known);
}

Task task_without_class(const Checkpoint& checkpoint) {
  const Architecture* family = family_of(checkpoint.config.model_type());
  if (family != nullptr && family->tasks.size() == 1) return family->tasks.front();
  for (const auto& entry : checkpoint.tensors) {
    const std::string& tensor = entry.first;
    const auto is_head = [&](std::string_view prefix) { return tensor.starts_with(prefix); };
    if (std::ranges::any_of(kHeadPrefixes, is_head)) {
      fail("{}: states no architectures, and the weights hold a head ({}); name the task: {}",
           checkpoint.config.path().string(), tensor, task_names());
    }
  }
  return Task::kFeatureExtraction;
}

// For a model with other parts than text: what of it could be converted.
std::string text_part(const Config& config) {
  const Json& json = config.json();
  if (!config.has("text_config") || !json.at("text_config").is_object()) return {};
  const auto type = json.at("text_config").find("model_type");
  if (type == json.at("text_config").end() || !type->is_string()) return {};
  if (family_of(type->get<std::string>()) == nullptr) return {};
  return fmt::format(", but its text_config, {}, is: save that part as a model of its own",
                     quote(type->get<std::string>()));
}

const Architecture& find_architecture(const Config& config) {
  const std::string type = config.model_type();
  if (const Architecture* family = family_of(type)) return *family;
  std::vector<std::string_view> known;
  for (const Architecture* architecture : architectures())
    known.insert(known.end(), architecture->model_types.begin(), architecture->model_types.end());
  std::ranges::sort(known);
  std::string list;
  for (const std::string_view candidate : known) list += (list.empty() ? "" : ", ") + std::string(candidate);
  fail("{}: model_type: {} is not supported{}; known: {}", config.path().string(), quote(type),
       text_part(config), list);
}

// "; config.json states BertForSequenceClassification", for a task that the user chose against it.
std::string stated_class(const Config& config) {
  const auto classes = config.architectures();
  return classes.empty() ? std::string() : fmt::format("; config.json states {}", quote(classes[0]));
}

}  // namespace

std::span<const TaskInfo> tasks() {
  return kTasks;
}

std::string_view name(Task task) {
  const TaskInfo& info = kTasks.at(static_cast<std::size_t>(task));
  BANTAM_ASSERT(info.task == task);
  return info.name;
}

Task parse_task(std::string_view name) {
  for (const TaskInfo& info : kTasks) {
    if (info.name == name) return info.task;
  }
  for (const TaskAlias& alias : kAliases) {
    if (alias.name == name) return alias.task;
  }
  fail_usage("unknown task {}; known: {}", quote(name), task_names());
}

Task task_of(const Checkpoint& checkpoint) {
  if (checkpoint.adapter) {
    const auto known = std::ranges::find(kAdapterTasks, checkpoint.adapter->task_type, &TaskAlias::name);
    if (known != kAdapterTasks.end()) return known->task;
  }
  if (has_pooling(sentence_modules(checkpoint))) return Task::kFeatureExtraction;
  const auto classes = checkpoint.config.architectures();
  return classes.empty() ? task_without_class(checkpoint) : task_of_class(checkpoint.config, classes[0]);
}

ModelGraph build_model(const Checkpoint& checkpoint, std::optional<Task> task) {
  const Config& config = checkpoint.config;
  config.refuse_quantized();
  const Architecture& architecture = find_architecture(config);
  const Task wanted = task ? *task : task_of(checkpoint);
  if (std::ranges::find(architecture.tasks, wanted) == architecture.tasks.end()) {
    std::string known;
    for (const Task candidate : architecture.tasks)
      known += (known.empty() ? "" : ", ") + std::string(name(candidate));
    fail("{}: {} models have no {} head here; known: {}", config.path().string(), architecture.family,
         name(wanted), known);
  }
  ModelGraph model;
  try {
    model = architecture.build(checkpoint, wanted);
  } catch (const Error& error) {
    if (!task) throw;
    throw Error(error.code(),
                fmt::format("as {}: {}{}", name(wanted), error.message(), stated_class(config)));
  }
  note_later_modules(sentence_modules(checkpoint), model);
  model.notes.insert(model.notes.begin(), checkpoint.notes.begin(), checkpoint.notes.end());
  return model;
}

}  // namespace bantam
