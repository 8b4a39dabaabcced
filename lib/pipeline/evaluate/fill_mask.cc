// Fill-mask on plain text: one token of every text is hidden, and the model is asked for it.
#include <algorithm>
#include <array>
#include <utility>

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
        metric_(choose_metric(options.metric, kMetrics, Task::kFillMask)) {
    const auto mask = tokenizer_.special_token_id("mask_token");
    if (!mask) fail("{}: the tokenizer has no mask token, which fill-mask needs", bundle.root.string());
    mask_ = *mask;
    std::vector<Example> examples;
    for (Example& example : data_.examples) {
      if (hide_one(example.text, options.seed + examples.size())) examples.push_back(std::move(example));
    }
    data_.examples = std::move(examples);
    if (data_.examples.empty()) fail("{}: no text has a token that could be hidden", options.data.string());
  }

  std::string metric() const override { return metric_; }
  bool distribution() const override { return true; }
  const Dataset& data() const override { return data_; }

  std::vector<Encoding> encode(std::size_t index) const override { return {hidden_[index].encoding}; }

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
    return {
        "Accuracy: one token of every text, drawn by the seed, is hidden, and the model's first choice is compared with it."};
  }

 private:
  class Hits final : public Answers {
   public:
    explicit Hits(const FillMask& task) : task_(task), hits_(task.data_.examples.size()) {}
    void add(std::size_t index, std::span<const Encoding>, std::span<const Tensors>,
             const Rows& rows) override {
      hits_[index] = arg_max(rows.front()) == task_.hidden_[index].wanted ? 1 : 0;
    }
    Scored scored() const override { return {mean_score(hits_), std::ssize(hits_)}; }

   private:
    const FillMask& task_;
    std::vector<double> hits_;
  };

  struct Hidden {
    Encoding encoding;  // with the mask
    std::int64_t wanted = 0;
  };

  // Hides a token: where the text has a mask itself, or one drawn by the seed. False: there is none to hide.
  bool hide_one(std::string_view text, std::uint64_t seed) {
    Encoding encoding = tokenizer_.encode(text, encode_);
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < encoding.special.size(); ++i) {
      if (encoding.special[i] == 0) candidates.push_back(i);
    }
    if (candidates.empty()) return false;
    const auto given = std::ranges::find(encoding.ids, mask_);
    const std::size_t at =
        given != encoding.ids.end()
            ? static_cast<std::size_t>(given - encoding.ids.begin())
            : candidates[static_cast<std::size_t>(Random(seed).below(std::ssize(candidates)))];
    const std::int64_t wanted = std::exchange(encoding.ids[at], mask_);
    hidden_.push_back({std::move(encoding), wanted});
    return true;
  }

  Tokenizer tokenizer_;
  EncodeOptions encode_;
  Dataset data_;
  std::string metric_;
  std::int64_t mask_ = 0;
  std::vector<Hidden> hidden_;
};

}  // namespace

EvaluationTaskPtr make_fill_mask(const BundleModel& bundle, const EvaluationTaskOptions& options) {
  return std::make_unique<FillMask>(bundle, options);
}

}  // namespace bantam
