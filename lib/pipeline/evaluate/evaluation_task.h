#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calibrate/dataset.h"
#include "calibrate/labels.h"
#include "calibrate/metrics/bootstrap.h"
#include "calibrate/tokenizer.h"
#include "pipeline/bundle_model.h"
#include "runtime/session.h"

namespace bantam {

// What agreement compares between two models, row by row: logits of one distribution each, or vectors.
using Rows = std::vector<std::vector<float>>;

// A score and the samples that the bootstrap may draw: examples, or queries of a ranking.
struct Scored {
  SampleScore score;
  std::int64_t samples = 0;
};

// What one model said about the examples, as far as its score needs it.
class Answers {
 public:
  virtual ~Answers() = default;
  // The model itself, before anything is added, for answers that outputs alone do not give; it outlives them.
  virtual void attach(const Session&) {}
  // `rows` is what the task's rows() made of encodings and outputs.
  virtual void add(std::size_t index, std::span<const Encoding> encodings, std::span<const Tensors> outputs,
                   const Rows& rows) = 0;
  virtual Scored scored() const = 0;
};

// What evaluation must know of a task: the data it wants, what the model reads of an example, what of the
// output is compared, and how answers are scored against labels.
class EvaluationTask {
 public:
  virtual ~EvaluationTask() = default;

  // "accuracy"; empty where the data give nothing to score by.
  virtual std::string metric() const = 0;
  // Of perplexity; retention is then reference score / score.
  virtual bool lower_is_better() const { return false; }
  // Rows are logits of a softmax: KL divergence and top-1 agreement mean something.
  virtual bool distribution() const = 0;
  // Names of the graph's outputs that rows() and answers() read.
  virtual std::vector<std::string_view> outputs() const { return {"logits"}; }
  // The examples, in the order of their indices.
  virtual const Dataset& data() const = 0;
  // The sequences that the model reads for an example: a similarity pair has two, a long context several.
  virtual std::vector<Encoding> encode(std::size_t index) const = 0;
  // `outputs[i]` answers `encodings[i]`, a batch of one; encodings may be padded.
  virtual Rows rows(std::span<const Encoding> encodings, std::span<const Tensors> outputs) const = 0;
  // Where rows are predictions of the text's own tokens, those tokens, one for each row.
  virtual std::vector<std::int64_t> targets(std::span<const Encoding>) const { return {}; }
  // One for every model; they refer to this task.
  virtual std::unique_ptr<Answers> answers() const = 0;
  // What the reader of the report should know about the data.
  virtual std::vector<std::string> notes() const { return {}; }
};

struct EvaluationTaskOptions {
  std::filesystem::path data;
  DatasetOptions dataset;
  std::string metric;  // empty: the task's usual one
  LabelRenames renames;
  std::int64_t max_length = 0;      // tokens; 0: what model and tokenizer take, at most 512
  std::int64_t stride = 0;          // of windows over long text; 0: they do not overlap
  std::int64_t max_new_tokens = 0;  // to generate for an answer; 0: 128
  bool chat = false;                // prompts are put through the bundle's chat template
  std::uint64_t seed = 0;
};

// Reads the data and checks their labels. Usage errors for a metric that the task does not have.
std::unique_ptr<EvaluationTask> make_evaluation_task(const BundleModel& bundle, Task task,
                                                     const EvaluationTaskOptions& options);

// One file each.
using EvaluationTaskPtr = std::unique_ptr<EvaluationTask>;
EvaluationTaskPtr make_classification(const BundleModel& bundle, const EvaluationTaskOptions& options);
EvaluationTaskPtr make_token_classification(const BundleModel& bundle, const EvaluationTaskOptions& options);
EvaluationTaskPtr make_question_answering(const BundleModel& bundle, const EvaluationTaskOptions& options);
EvaluationTaskPtr make_fill_mask(const BundleModel& bundle, const EvaluationTaskOptions& options);
EvaluationTaskPtr make_text_generation(const BundleModel& bundle, const EvaluationTaskOptions& options);
EvaluationTaskPtr make_generated_text(const BundleModel& bundle, const EvaluationTaskOptions& options);
EvaluationTaskPtr make_feature_extraction(const BundleModel& bundle, const EvaluationTaskOptions& options);

// For those files: `wanted` or the first of `known`; one that is not known is a usage error that lists them.
std::string choose_metric(const std::string& wanted, std::span<const std::string_view> known, Task task);
// Options of an encoding that is cut to what the model takes.
EncodeOptions cut_to(const Tokenizer& tokenizer, const Config& config, std::int64_t max_length);
// For texts of which a part is scored: an encoding whose tokens from `first` on are, and the first of them.
Encoding scored_from(std::vector<std::int64_t> ids, std::int64_t first);
std::int64_t first_scored(const Encoding& encoding);
// The logits that predict each scored token.
Rows scored_rows(const Encoding& encoding, const Tensors& outputs);
// The elements of row 0 of an output that was declared as [batch, ...].
std::vector<float> output_floats(const Tensors& outputs, std::string_view name);

}  // namespace bantam
