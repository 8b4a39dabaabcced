// Sentence embeddings: pairs by their cosine, single texts by how far their vectors move.
#include <array>

#include "calibrate/answers/embedding.h"
#include "calibrate/metrics/agreement.h"
#include "pipeline/evaluate/evaluation_task.h"
#include "pipeline/evaluate/value_scores.h"

namespace bantam {
namespace {

class FeatureExtraction final : public EvaluationTask {
 public:
  FeatureExtraction(const BundleModel& bundle, const EvaluationTaskOptions& options)
      : tokenizer_(Tokenizer::load(bundle.root)),
        encode_(cut_to(tokenizer_, bundle.config, options.max_length)),
        modules_(read_embedding_modules(bundle.root)),
        data_(load_dataset(options.data,
                           is_ranking(options.metric) ? DatasetKind::kRanking : DatasetKind::kSimilarity,
                           options.dataset)),
        scores_(choose_metric(options.metric, kValueMetrics, Task::kFeatureExtraction), data_) {}

  std::string metric() const override { return scores_.metric(); }
  bool distribution() const override { return false; }
  std::vector<std::string_view> outputs() const override { return {"last_hidden_state"}; }
  const Dataset& data() const override { return data_; }

  std::vector<Encoding> encode(std::size_t index) const override {
    const Example& example = data_.examples[index];
    std::vector<Encoding> encodings = {tokenizer_.encode(example.text, encode_)};
    if (example.has_pair) encodings.push_back(tokenizer_.encode(example.pair, encode_));
    return encodings;
  }

  Rows rows(std::span<const Encoding> encodings, std::span<const Tensors> outputs) const override {
    Rows rows;
    for (std::size_t i = 0; i < encodings.size(); ++i) {
      const std::vector<float> hidden = output_floats(outputs[i], "last_hidden_state");
      rows.push_back(embed(hidden, encodings[i].attention_mask, modules_.value_or(EmbeddingModules{})));
    }
    return rows;
  }

  std::unique_ptr<Answers> answers() const override {
    return std::make_unique<ValueAnswers>(scores_, [](const Rows& vectors) {
      return vectors.size() == 2 ? cosine(vectors[0], vectors[1]) : 0;
    });
  }

  std::vector<std::string> notes() const override {
    if (modules_) return {};
    return {"The bundle has no modules.json: a text's vector is the mean of its tokens' hidden states."};
  }

 private:
  Tokenizer tokenizer_;
  EncodeOptions encode_;
  std::optional<EmbeddingModules> modules_;
  Dataset data_;
  ValueScores scores_;
};

}  // namespace

EvaluationTaskPtr make_feature_extraction(const BundleModel& bundle, const EvaluationTaskOptions& options) {
  return std::make_unique<FeatureExtraction>(bundle, options);
}

}  // namespace bantam
