#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "pipeline/verify/checks.h"

namespace bantam {
namespace {

bool is_cache(std::string_view name) {
  return name.starts_with("past_");
}

// Element types of what JavaScript feeds.
DType fed_dtype(std::string_view name) {
  if (name == "use_cache_branch") return DType::kBool;
  for (const std::string_view floats :
       {"pixel_values", "input_features", "input_values", "inputs_embeds", "encoder_hidden_states"}) {
    if (name == floats) return DType::kF32;
  }
  return DType::kI64;
}

// What the pipeline of a task reads. Of feature extraction, one of them.
struct TaskOutputs {
  std::string_view task;
  std::span<const std::string_view> names;
  bool any;
};
constexpr std::array<std::string_view, 1> kLogits = {"logits"};
constexpr std::array<std::string_view, 2> kSpans = {"start_logits", "end_logits"};
constexpr std::array<std::string_view, 3> kFeatures = {"last_hidden_state", "logits", "token_embeddings"};
constexpr std::array<TaskOutputs, 6> kOutputs = {{
    {"text-classification", kLogits, false},
    {"token-classification", kLogits, false},
    {"fill-mask", kLogits, false},
    {"question-answering", kSpans, false},
    {"text-generation", kLogits, false},
    {"feature-extraction", kFeatures, true},
}};

// What processors of images and sounds make.
constexpr std::array<std::string_view, 4> kOfProcessors = {"pixel_values", "pixel_mask", "input_features",
                                                           "input_values"};

class GraphInputs {
 public:
  GraphInputs(Verification& verification, const SessionGraph& graph)
      : view_(verification.bundle),
        findings_(verification.findings),
        file_(graph.file),
        session_(graph.session),
        graph_(*graph.graph) {}

  void run() {
    const bool decoder = view_.task() == "text-generation";
    const std::span<const std::string_view> fed = fed_inputs(session_, decoder);
    if (fed.empty()) return;  // a class whose inputs are not in the table
    for (const ValueId id : graph_.inputs) {
      const Value& input = graph_.value(id);
      if (is_cache(input.name)) continue;
      if (view_.task().empty() && std::ranges::find(fed, input.name) == fed.end()) {
        findings_.warning(file_, "declares the input {}, which is the page's to feed", quote(input.name));
        continue;
      }
      if (!is_of_task(input.name)) {
        findings_.error(file_, "declares the input {}, which pipelines for {} do not feed: every run fails",
                        quote(input.name), view_.task());
        continue;
      }
      if (std::ranges::find(fed, input.name) == fed.end()) {
        findings_.error(
            file_, "declares the input {}, which transformers.js does not feed: every run fails ({} are fed)",
            quote(input.name), fmt::join(fed, ", "));
        continue;
      }
      check_input(input);
    }
    if (session_ == "model") check_outputs();
  }

 private:
  // Pipelines of texts feed what the tokenizer gives.
  bool is_of_task(std::string_view input) const {
    return std::ranges::find(kOutputs, view_.task(), &TaskOutputs::task) == kOutputs.end() ||
           std::ranges::find(kOfProcessors, input) == kOfProcessors.end();
  }

  void check_input(const Value& input) {
    const DType fed = fed_dtype(input.name);
    const bool half =
        fed == DType::kF32 && input.dtype == DType::kF16;  // a page may feed it, pipelines do not
    if (input.dtype != fed && !half) {
      findings_.error(file_, "input {} is {} where JavaScript feeds {}", quote(input.name), name(input.dtype),
                      name(fed));
    }
    if (input.name == "num_logits_to_keep") {
      if (input.has_dims && !input.dims.empty())
        findings_.error(file_, "input num_logits_to_keep is not a scalar");
      return;
    }
    if (input.name == "use_cache_branch" || !input.has_dims) return;
    const bool tokens = fed == DType::kI64;
    if (tokens && input.dims.size() != 2) {
      findings_.error(file_, "input {} has {} dimensions where JavaScript feeds [batch, length]",
                      quote(input.name), input.dims.size());
      return;
    }
    for (std::size_t i = 0; tokens && i < input.dims.size(); ++i) {
      if (input.dims[i].is_fixed()) {
        findings_.warning(file_, "input {} has the fixed {} {}: other texts are refused", quote(input.name),
                          i == 0 ? "batch" : "length", input.dims[i].value);
      }
    }
  }

  void check_outputs() {
    const auto row = std::ranges::find(kOutputs, view_.task(), &TaskOutputs::task);
    if (row == kOutputs.end()) return;
    const auto has = [&](std::string_view wanted) {
      return std::ranges::any_of(graph_.outputs, [&](ValueId id) { return graph_.value(id).name == wanted; });
    };
    const bool sound = row->any ? std::ranges::any_of(row->names, has) : std::ranges::all_of(row->names, has);
    if (!sound) {
      findings_.error(file_, "has no output {}, which the pipeline for {} reads",
                      fmt::join(row->names, row->any ? " or " : " and "), row->task);
    }
    for (const ValueId id : graph_.outputs) {
      const Value& output = graph_.value(id);
      if (std::ranges::find(row->names, output.name) == row->names.end()) continue;
      if (output.dtype == DType::kF16) {
        findings_.warning(file_,
                          "output {} is float16, which pipelines read as numbers only where there is "
                          "Float16Array",
                          quote(output.name));
      } else if (output.dtype != DType::kF32 && output.dtype != DType::kUndefined) {
        findings_.error(file_, "output {} is {} where the pipeline for {} reads floats", quote(output.name),
                        name(output.dtype), row->task);
      }
    }
  }

  const BundleView& view_;
  Findings& findings_;
  const std::string& file_;
  const std::string& session_;
  const Graph& graph_;
};

}  // namespace

void check_inputs(Verification& verification) {
  for (const SessionGraph& graph : verification.bundle.graphs) {
    if (graph.graph) GraphInputs(verification, graph).run();
  }
}

}  // namespace bantam
