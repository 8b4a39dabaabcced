// Decoders on plain text: perplexity over windows of tokens, as the guide of transformers on models of fixed
// length measures it, and KL divergence of every next-token distribution, as llama.cpp's perplexity tool
// does.
#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "calibrate/metrics/perplexity.h"
#include "calibrate/metrics/sample_scores.h"
#include "pipeline/evaluate/evaluation_task.h"

namespace bantam {
namespace {

constexpr std::array<std::string_view, 1> kMetrics = {"perplexity"};

class TextGeneration final : public EvaluationTask {
 public:
  TextGeneration(const BundleModel& bundle, const EvaluationTaskOptions& options)
      : tokenizer_(Tokenizer::load(bundle.root)),
        metric_(choose_metric(options.metric, kMetrics, Task::kTextGeneration)) {
    const std::int64_t context = cut_to(tokenizer_, bundle.config, options.max_length).max_length;
    const std::int64_t stride = options.stride > 0 ? options.stride : context;
    if (stride > context)
      fail_usage("--stride {} where at most the window's {} tokens were expected", stride, context);
    DatasetOptions dataset = options.dataset;
    const std::int64_t limit = std::exchange(dataset.limit, 0);  // of windows, not of documents
    if (dataset.unit == TextUnit::kLine) dataset.unit = TextUnit::kDocument;
    Dataset documents = load_dataset(options.data, DatasetKind::kText, dataset);
    for (const Example& document : documents.examples) {
      if (limit > 0 && std::ssize(windows_) == limit) break;
      add_windows(document, context, stride, limit);
    }
    if (windows_.empty()) fail("{}: no text of two tokens or more", options.data.string());
    data_ = std::move(documents);
    data_.examples = std::move(places_);
  }

  std::string metric() const override { return metric_; }
  bool lower_is_better() const override { return true; }
  bool distribution() const override { return true; }
  const Dataset& data() const override { return data_; }

  std::vector<Encoding> encode(std::size_t index) const override { return {windows_[index]}; }

  // A distribution for every token that is scored.
  Rows rows(std::span<const Encoding> encodings, std::span<const Tensors> outputs) const override {
    return scored_rows(encodings.front(), outputs.front());
  }

  std::vector<std::int64_t> targets(std::span<const Encoding> encodings) const override {
    const std::vector<std::int64_t>& ids = encodings.front().ids;
    return {ids.begin() + first_scored(encodings.front()), ids.end()};
  }

  std::unique_ptr<Answers> answers() const override { return std::make_unique<Losses>(*this); }

 private:
  class Losses final : public Answers {
   public:
    explicit Losses(const TextGeneration& task) : losses_(task.windows_.size()) {}
    void add(std::size_t index, std::span<const Encoding> encodings, std::span<const Tensors>,
             const Rows& rows) override {
      const std::vector<std::int64_t>& ids = encodings.front().ids;
      const std::size_t first = ids.size() - rows.size();
      WindowLoss& loss = losses_[index];
      for (std::size_t row = 0; row < rows.size(); ++row) {
        loss.sum += negative_log_likelihood(rows[row], ids[first + row]);
        ++loss.tokens;
      }
    }
    Scored scored() const override { return {perplexity_score(losses_), std::ssize(losses_)}; }

   private:
    std::vector<WindowLoss> losses_;
  };

  void add_windows(const Example& document, std::int64_t context, std::int64_t stride, std::int64_t limit) {
    const Encoding whole = tokenizer_.encode(document.text);
    for (const TextWindow& window : text_windows(whole.size(), context, stride)) {
      if (limit > 0 && std::ssize(windows_) == limit) return;
      windows_.push_back(scored_from({whole.ids.begin() + window.begin, whole.ids.begin() + window.end},
                                     window.score_from - window.begin));
      places_.emplace_back().line = document.line;
    }
  }

  Tokenizer tokenizer_;
  std::string metric_;
  std::vector<Encoding> windows_;
  std::vector<Example> places_;
  Dataset data_;
};

}  // namespace

EvaluationTaskPtr make_text_generation(const BundleModel& bundle, const EvaluationTaskOptions& options) {
  const bool plain = options.metric.empty() || options.metric == kMetrics.front();
  if (!plain) return make_generated_text(bundle, options);
  return std::make_unique<TextGeneration>(bundle, options);
}

}  // namespace bantam
