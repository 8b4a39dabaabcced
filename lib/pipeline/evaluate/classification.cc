// Text classification: classes by name, and single-logit models (rerankers, regression) by their score.
#include <array>
#include <utility>

#include "base/error.h"
#include "calibrate/answers/classes.h"
#include "calibrate/metrics/sample_scores.h"
#include "pipeline/evaluate/evaluation_task.h"
#include "pipeline/evaluate/value_scores.h"

namespace bantam {
namespace {

constexpr std::array<std::string_view, 4> kClassMetrics = {"accuracy", "f1", "f1-macro", "matthews"};

class TextClassification : public EvaluationTask {
 public:
  TextClassification(const BundleModel& bundle, const EvaluationTaskOptions& options, DatasetKind kind)
      : tokenizer_(Tokenizer::load(bundle.root)),
        encode_(cut_to(tokenizer_, bundle.config, options.max_length)),
        data_(load_dataset(options.data, kind, options.dataset)) {}

  const Dataset& data() const override { return data_; }

  std::vector<Encoding> encode(std::size_t index) const override {
    const Example& example = data_.examples[index];
    return {example.has_pair ? tokenizer_.encode_pair(example.text, example.pair, encode_)
                             : tokenizer_.encode(example.text, encode_)};
  }

  Rows rows(std::span<const Encoding>, std::span<const Tensors> outputs) const override {
    return {output_floats(outputs.front(), "logits")};
  }

 protected:
  Tokenizer tokenizer_;
  EncodeOptions encode_;
  Dataset data_;
};

class Classes final : public TextClassification {
 public:
  Classes(const BundleModel& bundle, const EvaluationTaskOptions& options, const LabelNames& labels)
      : TextClassification(bundle, options, DatasetKind::kClassification),
        function_(class_function(bundle.config.json(), labels.size())),
        classes_(labels.size()),
        metric_(choose_metric(options.metric, kClassMetrics, Task::kTextClassification)) {
    if (data_.labelled && function_ == ClassFunction::kSoftmax) {
      expected_ = class_ids(data_, labels, options.renames);
    }
  }

  std::string metric() const override { return expected_.empty() ? "" : metric_; }
  bool distribution() const override { return function_ == ClassFunction::kSoftmax; }
  std::unique_ptr<Answers> answers() const override { return std::make_unique<Chosen>(*this); }

  std::vector<std::string> notes() const override {
    if (function_ != ClassFunction::kSigmoid || !data_.labelled) return {};
    return {"The model gives several labels to one text: outputs are compared, but not scored."};
  }

 private:
  class Chosen final : public Answers {
   public:
    explicit Chosen(const Classes& task) : task_(task), chosen_(task.data_.examples.size()) {}
    void add(std::size_t index, std::span<const Encoding>, std::span<const Tensors>,
             const Rows& rows) override {
      chosen_[index] = arg_max(rows.front());
    }
    Scored scored() const override { return {task_.score(chosen_), std::ssize(chosen_)}; }

   private:
    const Classes& task_;
    std::vector<std::int64_t> chosen_;
  };

  SampleScore score(const std::vector<std::int64_t>& chosen) const {
    if (metric_ == "matthews") return matthews_score(expected_, chosen, classes_);
    if (metric_ == "f1-macro" || (metric_ == "f1" && classes_ != 2)) {
      return f1_score(expected_, chosen, classes_, Average::kMacro);
    }
    if (metric_ == "f1") return f1_score(expected_, chosen, classes_, Average::kBinary);
    return accuracy_score(expected_, chosen);
  }

  ClassFunction function_;
  std::int64_t classes_;
  std::string metric_;
  std::vector<std::int64_t> expected_;
};

class SingleLogit final : public TextClassification {
 public:
  SingleLogit(const BundleModel& bundle, const EvaluationTaskOptions& options)
      : TextClassification(bundle, options, dataset_kind(options.metric)),
        scores_(choose_metric(options.metric, kValueMetrics, Task::kTextClassification), data_) {}

  std::string metric() const override { return scores_.metric(); }
  bool distribution() const override { return false; }
  std::unique_ptr<Answers> answers() const override {
    return std::make_unique<ValueAnswers>(scores_,
                                          [](const Rows& rows) -> double { return rows.front().front(); });
  }

 private:
  static DatasetKind dataset_kind(const std::string& metric) {
    return is_ranking(metric) ? DatasetKind::kRanking : DatasetKind::kSimilarity;
  }
  ValueScores scores_;
};

}  // namespace

EvaluationTaskPtr make_classification(const BundleModel& bundle, const EvaluationTaskOptions& options) {
  const LabelNames labels = label_names(bundle.config.json());
  if (labels.size() == 1) return std::make_unique<SingleLogit>(bundle, options);
  return std::make_unique<Classes>(bundle, options, labels);
}

}  // namespace bantam
