// Fill-mask on plain text: one token of every text is hidden, and the model is asked for it.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/random.h"
#include "calibrate/answers/classes.h"
#include "calibrate/metrics/sample_scores.h"
#include "pipeline/evaluate/evaluation_task.h"

namespace bantam {
namespace {

constexpr std::array<std::string_view, 1> kMetrics = {"accuracy"};

class FillMask final : public EvaluationTask {
 public:
  FillMask(const BundleModel& bundle, const EvaluationTaskOptions& options)
      : tokenizer_(Tokenizer::load(bundle.root)),
        encode_(cut_to(tokenizer_, bundle.config, options.max_length)),
        data_(load_dataset(options.data, DatasetKind::kText, options.dataset)),
        metric_(choose_metric(options.metric, kMetrics, Task::kFillMask)),
        seed_(options.seed) {
    const auto mask = tokenizer_.special_token_id("mask_token");
    if (!mask) fail("{}: the tokenizer has no mask token, which fill-mask needs", bundle.root.string());
    mask_ = *mask;
    const auto empty = [&](const Example& example) {
      const Encoding encoding = tokenizer_.encode(example.text, encode_);
      return std::ranges::find(encoding.special, 0) == encoding.special.end();
    };
    std::erase_if(data_.examples, empty);
    if (data_.examples.empty()) fail("{}: no text has a token that could be hidden", options.data.string());
  }

  std::string metric() const override { return metric_; }
  bool distribution() const override { return true; }
  const Dataset& data() const override { return data_; }

  std::vector<Encoding> encode(std::size_t index) const override {
    Encoding encoding = tokenizer_.encode(data_.examples[index].text, encode_);
    encoding.ids[hidden(encoding, index)] = mask_;
    return {std::move(encoding)};
  }

  Rows rows(std::span<const Encoding> encodings, std::span<const Tensors> outputs) const override {
    const Encoding& encoding = encodings.front();
    const std::vector<float> logits = output_floats(outputs.front(), "logits");
    const std::size_t width = logits.size() / encoding.ids.size();
    const auto at = std::ranges::find(encoding.ids, mask_) - encoding.ids.begin();
    const auto row = std::span(logits).subspan(static_cast<std::size_t>(at) * width, width);
    return {{row.begin(), row.end()}};
  }

  std::unique_ptr<Answers> answers() const override { return std::make_unique<Hits>(*this); }

  std::vector<std::string> notes() const override {
    return {"Accuracy: one token of every text, drawn by the seed, is hidden, and the model's first choice is compared with it."};
  }

 private:
  class Hits final : public Answers {
   public:
    explicit Hits(const FillMask& task) : task_(task), hits_(task.data_.examples.size()) {}
    void add(std::size_t index, std::span<const Encoding> encodings,
             std::span<const Tensors> outputs) override {
      const Encoding original = task_.tokenizer_.encode(task_.data_.examples[index].text, task_.encode_);
      const std::int64_t wanted = original.ids[task_.hidden(original, index)];
      hits_[index] = arg_max(task_.rows(encodings, outputs).front()) == wanted ? 1 : 0;
    }
    Scored scored() const override { return {mean_score(hits_), std::ssize(hits_)}; }

   private:
    const FillMask& task_;
    std::vector<double> hits_;
  };

  // Which token of example `index` is hidden: a mask that the text has itself, or one drawn by the seed.
  std::size_t hidden(const Encoding& encoding, std::size_t index) const {
    const auto given = std::ranges::find(encoding.ids, mask_);
    if (given != encoding.ids.end()) return static_cast<std::size_t>(given - encoding.ids.begin());
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < encoding.special.size(); ++i) {
      if (encoding.special[i] == 0) candidates.push_back(i);
    }
    Random random(seed_ + index);
    return candidates[static_cast<std::size_t>(random.below(std::ssize(candidates)))];
  }

  Tokenizer tokenizer_;
  EncodeOptions encode_;
  Dataset data_;
  std::string metric_;
  std::uint64_t seed_;
  std::int64_t mask_ = 0;
};

}  // namespace

EvaluationTaskPtr make_fill_mask(const BundleModel& bundle, const EvaluationTaskOptions& options) {
  return std::make_unique<FillMask>(bundle, options);
}

}  // namespace bantam
