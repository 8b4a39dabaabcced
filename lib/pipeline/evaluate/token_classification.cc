#include <array>

#include "calibrate/answers/entity_groups.h"
#include "calibrate/metrics/sample_scores.h"
#include "pipeline/evaluate/evaluation_task.h"

namespace bantam {
namespace {

constexpr std::array<std::string_view, 1> kMetrics = {"f1"};  // seqeval's: micro average over entities

class TokenClassification final : public EvaluationTask {
 public:
  TokenClassification(const BundleModel& bundle, const EvaluationTaskOptions& options)
      : tokenizer_(Tokenizer::load(bundle.root)),
        encode_(cut_to(tokenizer_, bundle.config, options.max_length)),
        labels_(label_names(bundle.config.json())),
        data_(load_dataset(options.data, DatasetKind::kTokenClassification, options.dataset)),
        metric_(choose_metric(options.metric, kMetrics, Task::kTokenClassification)) {
    if (data_.labelled) expected_ = tag_names(data_, labels_, options.renames);
  }

  std::string metric() const override { return expected_.empty() ? "" : metric_; }
  bool distribution() const override { return true; }
  const Dataset& data() const override { return data_; }

  std::vector<Encoding> encode(std::size_t index) const override {
    const Example& example = data_.examples[index];
    if (example.words.empty()) return {tokenizer_.encode(example.text, encode_)};
    return {tokenizer_.encode_words(example.words, encode_)};
  }

  // The tokens of the text; what the template added is not asked.
  Rows rows(std::span<const Encoding> encodings, std::span<const Tensors> outputs) const override {
    const std::vector<float> logits = output_floats(outputs.front(), "logits");
    const auto width = static_cast<std::size_t>(labels_.size());
    const Encoding& encoding = encodings.front();
    Rows rows;
    for (std::size_t token = 0; token < encoding.special.size(); ++token) {
      const auto row = std::span(logits).subspan(token * width, width);
      if (encoding.special[token] == 0) rows.emplace_back(row.begin(), row.end());
    }
    return rows;
  }

  std::unique_ptr<Answers> answers() const override { return std::make_unique<Tags>(*this); }

 private:
  class Tags final : public Answers {
   public:
    explicit Tags(const TokenClassification& task) : task_(task), counts_(task.expected_.size()) {}
    void add(std::size_t index, std::span<const Encoding> encodings, std::span<const Tensors> outputs,
             const Rows&) override {
      if (task_.expected_.empty()) return;
      const std::vector<std::string>& expected = task_.expected_[index];
      const std::vector<float> logits = output_floats(outputs.front(), "logits");
      counts_[index] =
          count_chunks(expected, word_tags(encodings.front(), logits, task_.labels_, std::ssize(expected)));
    }
    Scored scored() const override { return {entity_f1_score(counts_), std::ssize(counts_)}; }

   private:
    const TokenClassification& task_;
    std::vector<ChunkCountsByType> counts_;
  };

  Tokenizer tokenizer_;
  EncodeOptions encode_;
  LabelNames labels_;
  Dataset data_;
  std::string metric_;
  std::vector<std::vector<std::string>> expected_;
};

}  // namespace

EvaluationTaskPtr make_token_classification(const BundleModel& bundle, const EvaluationTaskOptions& options) {
  return std::make_unique<TokenClassification>(bundle, options);
}

}  // namespace bantam
