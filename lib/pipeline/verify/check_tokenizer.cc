#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "calibrate/tokenizer.h"
#include "pipeline/verify/checks.h"
#include "pipeline/verify/tokenizer_parts.h"

namespace bantam {
namespace {

constexpr std::string_view kTokenizer = "tokenizer.json";
constexpr std::string_view kTokenizerConfig = "tokenizer_config.json";
constexpr std::string_view kTemplate = "chat_template.jinja";
constexpr std::int64_t kMaxBytes = std::int64_t{256} << 20;

// Tasks whose pipelines begin with a text.
constexpr std::array<std::string_view, 6> kTextTasks = {"text-classification", "token-classification",
                                                        "fill-mask",           "question-answering",
                                                        "text-generation",     "feature-extraction"};

std::optional<Json> read_object(Verification& verification, std::string_view file) {
  BundleView& view = verification.bundle;
  if (!view.usable(file)) return std::nullopt;
  try {
    Json value = read_json_file(view.path(file), {.max_bytes = kMaxBytes});
    if (!value.is_object()) fail("is not a JSON object");
    return value;
  } catch (const Error& error) {
    const std::string prefix = view.path(file).string() + ": ";
    const std::string& message = error.message();
    verification.findings.error(file, "{}",
                                message.starts_with(prefix) ? message.substr(prefix.size()) : message);
    return std::nullopt;
  }
}

// The templates of tokenizer_config.json by name; the only one has no name.
std::map<std::string, std::string> inlined_templates(const Json& config) {
  std::map<std::string, std::string> templates;
  const auto found = config.find("chat_template");
  if (found == config.end()) return templates;
  if (found->is_string()) templates.emplace("", found->get<std::string>());
  if (found->is_array()) {
    for (const Json& entry : *found) {
      if (!entry.is_object() || !entry.contains("name") || !entry.contains("template")) continue;
      if (entry["name"].is_string() && entry["template"].is_string()) {
        templates.emplace(entry["name"].get<std::string>(), entry["template"].get<std::string>());
      }
    }
  }
  return templates;
}

void check_template(Verification& verification, const Json& config) {
  const BundleView& view = verification.bundle;
  const auto templates = inlined_templates(config);
  if (config.contains("chat_template") && !config["chat_template"].is_null() && templates.empty()) {
    verification.findings.error(kTokenizerConfig,
                                "chat_template is neither a text nor a list of named texts");
  }
  if (!view.usable(kTemplate)) {
    if (!templates.empty() && !view.exists(kTemplate)) {
      verification.findings.warning(
          kTemplate,
          "is not there, though tokenizer_config.json has a chat template: processors read this file");
    }
    return;
  }
  const std::string text = read_text_file(view.path(kTemplate), kMaxBytes);
  if (templates.empty()) {
    verification.findings.error(kTokenizerConfig, "has no chat_template: text models do not read {}",
                                kTemplate);
  } else if (std::ranges::none_of(templates, [&](const auto& entry) {
               return entry.second == text && (entry.first.empty() || entry.first == "default");
             })) {
    verification.findings.error(kTemplate, "is another template than that of tokenizer_config.json");
  }
}

std::optional<std::int64_t> vocabulary_of(const Json& config) {
  const Json* where = &config;
  const auto text = config.find("text_config");
  if (text != config.end() && text->is_object()) where = &*text;
  const auto size = where->find("vocab_size");
  if (size == where->end() || !size->is_number_integer()) return std::nullopt;
  return size->get<std::int64_t>();
}

// A token beyond the embedding's rows makes Gather fail on the page, on the one text that holds it.
void check_vocabulary(Verification& verification, const Tokenizer& tokenizer) {
  const auto rows = verification.bundle.config ? vocabulary_of(*verification.bundle.config) : std::nullopt;
  if (!rows) return;
  const std::int64_t entries = tokenizer.vocabulary_size();
  for (std::int64_t id = *rows; id < std::max(entries, *rows + 1); ++id) {
    if (const auto token = tokenizer.id_to_token(id)) {
      verification.findings.warning(
          kTokenizer, "has the token {} with id {}, and the model {} rows: texts that hold it fail",
          quote(*token), id, *rows);
      return;
    }
  }
}

// A build without the tokenizers crate cannot load any.
bool can_load_tokenizers() {
  try {
    Tokenizer::from_json(R"({"version":"1.0","model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}})");
    return true;
  } catch (const Error&) {
    return false;
  }
}

void load_tokenizer(Verification& verification) {
  const BundleView& view = verification.bundle;
  try {
    check_vocabulary(verification, Tokenizer::load(view.root));
  } catch (const Error& error) {
    const std::string prefix = view.path(kTokenizer).string() + ": ";
    const std::string& message = error.message();
    if (can_load_tokenizers()) {
      verification.findings.error(kTokenizer, "{}",
                                  message.starts_with(prefix) ? message.substr(prefix.size()) : message);
    } else {
      verification.findings.warning(kTokenizer, "was not loaded: {}", message);
    }
  }
}

// What feeds images and sounds to the graphs.
void check_processor(Verification& verification) {
  constexpr std::string_view kProcessor = "preprocessor_config.json";
  const BundleView& view = verification.bundle;
  const bool needed = std::ranges::any_of(view.graphs, [](const SessionGraph& graph) {
    if (!graph.graph) return false;
    return std::ranges::any_of(graph.graph->inputs, [&](ValueId id) {
      const std::string& name = graph.graph->value(id).name;
      return name == "pixel_values" || name == "input_features" || name == "input_values";
    });
  });
  if (needed && !view.exists(kProcessor)) {
    verification.findings.error(kProcessor, "is missing: transformers.js cannot make the processor");
    return;
  }
  const std::optional<Json> processor = read_object(verification, kProcessor);
  if (!needed || !processor) return;
  if (!processor->contains("image_processor_type") && !processor->contains("feature_extractor_type")) {
    verification.findings.error(kProcessor, "names neither image_processor_type nor feature_extractor_type");
  }
}

}  // namespace

void check_tokenizer(Verification& verification) {
  const BundleView& view = verification.bundle;
  const bool text = std::ranges::find(kTextTasks, view.task()) != kTextTasks.end();
  const bool image = view.exists("preprocessor_config.json") && !view.exists(kTokenizer);
  check_processor(verification);
  if ((!text || image) && !view.exists(kTokenizer)) return;
  for (const std::string_view file : {kTokenizer, kTokenizerConfig}) {
    if (!view.exists(file))
      verification.findings.error(file, "is missing: transformers.js cannot make the tokenizer");
  }
  const std::optional<Json> tokenizer = read_object(verification, kTokenizer);
  const std::optional<Json> config = read_object(verification, kTokenizerConfig);
  if (config) check_template(verification, *config);
  if (tokenizer && config) load_tokenizer(verification);
  if (tokenizer) {
    const std::string missing = missing_tokenizer_part(*tokenizer);
    if (!missing.empty())
      verification.findings.error(kTokenizer, "has a {}, for which transformers.js has no class", missing);
  }
  const auto name_of_class = config ? config->find("tokenizer_class") : Json::const_iterator();
  if (config && name_of_class != config->end() && !name_of_class->is_string() && !name_of_class->is_null())
    verification.findings.error(kTokenizerConfig, "tokenizer_class is no text");
}

}  // namespace bantam
