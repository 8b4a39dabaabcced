#include <array>

#include "calibrate/answers/answer_span.h"
#include "calibrate/metrics/sample_scores.h"
#include "calibrate/metrics/squad.h"
#include "pipeline/evaluate/evaluation_task.h"

namespace bantam {
namespace {

constexpr std::array<std::string_view, 2> kMetrics = {"f1", "exact-match"};

class QuestionAnswering final : public EvaluationTask {
 public:
  QuestionAnswering(const BundleModel& bundle, const EvaluationTaskOptions& options)
      : tokenizer_(Tokenizer::load(bundle.root)),
        data_(load_dataset(options.data, DatasetKind::kQuestionAnswering, options.dataset)),
        metric_(choose_metric(options.metric, kMetrics, Task::kQuestionAnswering)) {
    // As encode_question's default, unless model or user take less.
    const std::int64_t limit = cut_to(tokenizer_, bundle.config, options.max_length).max_length;
    options_.max_length = options.max_length > 0 ? limit : std::min(limit, options_.max_length);
    options_.stride = std::min(options_.stride, options_.max_length / 2);
    for (const Example& example : data_.examples) {
      options_.may_be_unanswerable |= data_.labelled && example.answers.empty();
    }
  }

  std::string metric() const override { return data_.labelled ? metric_ : ""; }
  bool distribution() const override { return true; }
  std::vector<std::string_view> outputs() const override { return {"start_logits", "end_logits"}; }
  const Dataset& data() const override { return data_; }

  std::vector<Encoding> encode(std::size_t index) const override {
    return encode_question(tokenizer_, data_.examples[index].text, data_.examples[index].pair, options_);
  }

  // Two distributions over the tokens of each span: where the answer starts, where it ends.
  Rows rows(std::span<const Encoding> encodings, std::span<const Tensors> outputs) const override {
    Rows rows;
    for (std::size_t i = 0; i < encodings.size(); ++i) {
      for (const char* name : {"start_logits", "end_logits"}) {
        const std::vector<float> logits = output_floats(outputs[i], name);
        std::vector<float>& row = rows.emplace_back();
        for (std::size_t token = 0; token < logits.size(); ++token) {
          if (encodings[i].attention_mask[token] != 0) row.push_back(logits[token]);
        }
      }
    }
    return rows;
  }

  std::unique_ptr<Answers> answers() const override { return std::make_unique<Spans>(*this); }

 private:
  class Spans final : public Answers {
   public:
    explicit Spans(const QuestionAnswering& task) : task_(task), scores_(task.data_.examples.size()) {}

    void add(std::size_t index, std::span<const Encoding> encodings, std::span<const Tensors> outputs,
             const Rows&) override {
      std::vector<std::vector<float>> kept;
      for (const Tensors& output : outputs) {
        kept.push_back(output_floats(output, "start_logits"));
        kept.push_back(output_floats(output, "end_logits"));
      }
      std::vector<SpanLogits> logits;
      for (std::size_t i = 0; i < kept.size(); i += 2) logits.push_back({kept[i], kept[i + 1]});
      const Example& example = task_.data_.examples[index];
      const FoundAnswer found =
          find_answer(task_.tokenizer_, example.pair, encodings, logits, task_.options_);
      const AnswerScore score = answer_score(found.text, example.answers);
      scores_[index] = task_.metric_ == "f1" ? score.f1 : score.exact;
    }
    Scored scored() const override { return {mean_score(scores_), std::ssize(scores_)}; }

   private:
    const QuestionAnswering& task_;
    std::vector<double> scores_;
  };

  Tokenizer tokenizer_;
  Dataset data_;
  std::string metric_;
  AnswerOptions options_;
};

}  // namespace

EvaluationTaskPtr make_question_answering(const BundleModel& bundle, const EvaluationTaskOptions& options) {
  return std::make_unique<QuestionAnswering>(bundle, options);
}

}  // namespace bantam
