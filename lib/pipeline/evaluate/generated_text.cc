// Decoders that answer prompts, against texts that are wanted: ROUGE and BLEU of greedy answers. Agreement is
// measured on the wanted text, token by token, so that it does not depend on where two answers part.
#include <array>
#include <optional>
#include <utility>

#include "base/error.h"
#include "calibrate/metrics/bleu.h"
#include "calibrate/metrics/rouge.h"
#include "calibrate/metrics/sample_scores.h"
#include "pipeline/evaluate/evaluation_task.h"
#include "pipeline/generate/chat.h"
#include "pipeline/generate/generation_config.h"
#include "pipeline/generate/generator.h"
#include "pipeline/generate/text_stream.h"

namespace bantam {
namespace {

constexpr std::array<std::string_view, 8> kMetrics = {
    "perplexity", "rouge1", "rouge2", "rougeL", "bleu", "rouge1-stem", "rouge2-stem", "rougeL-stem"};
constexpr std::int64_t kMaxNewTokens = 128;

double rouge(std::string_view metric, std::string_view reference, std::string_view text) {
  const Stemming stemming = metric.ends_with("-stem") ? Stemming::kPorter : Stemming::kNone;
  const auto wanted = rouge_words(reference, stemming), given = rouge_words(text, stemming);
  if (metric.starts_with("rouge1")) return rouge_n(wanted, given, 1);
  if (metric.starts_with("rouge2")) return rouge_n(wanted, given, 2);
  return rouge_l(wanted, given);
}

class GeneratedText final : public EvaluationTask {
 public:
  GeneratedText(const BundleModel& bundle, const EvaluationTaskOptions& options)
      : tokenizer_(load_tokenizer(bundle)),
        metric_(choose_metric(options.metric, kMetrics, Task::kTextGeneration)),
        data_(load_dataset(options.data, DatasetKind::kGeneration, options.dataset)) {
    if (options.chat) chat_.emplace(bundle.root, tokenizer_);
    const GenerationConfig config = read_generation_config(bundle);
    generation_.sampling.repetition_penalty = config.repetition_penalty;
    generation_.sampling.no_repeat_ngram = config.no_repeat_ngram;
    generation_.stop_ids = config.eos_token_ids;
    generation_.context = config.context;
    generation_.max_new_tokens = options.max_new_tokens > 0 ? options.max_new_tokens : kMaxNewTokens;
    for (const Example& example : data_.examples) {
      if (example.answers.size() != 1)
        fail("{}: {} wanted texts where one was expected", data_.place(example), example.answers.size());
    }
  }

  std::string metric() const override { return metric_; }
  bool distribution() const override { return true; }
  const Dataset& data() const override { return data_; }

  std::vector<Encoding> encode(std::size_t index) const override {
    const Example& example = data_.examples[index];
    std::vector<std::int64_t> ids = prompt_ids(example.text);
    const std::int64_t prompt = std::ssize(ids);
    const auto wanted = tokenizer_.encode(example.answers.front(), {.add_special_tokens = false}).ids;
    ids.insert(ids.end(), wanted.begin(), wanted.end());
    if (generation_.context > 0 && prompt >= generation_.context)
      fail("the prompt has {} tokens, and the model takes {} together with what it generates", prompt,
           generation_.context);
    if (generation_.context > 0 && std::ssize(ids) > generation_.context)
      ids.resize(static_cast<std::size_t>(generation_.context));
    return {scored_from(std::move(ids), prompt)};
  }

  Rows rows(std::span<const Encoding> encodings, std::span<const Tensors> outputs) const override {
    return scored_rows(encodings.front(), outputs.front());
  }

  std::vector<std::int64_t> targets(std::span<const Encoding> encodings) const override {
    const std::vector<std::int64_t>& ids = encodings.front().ids;
    return {ids.begin() + first_scored(encodings.front()), ids.end()};
  }

  std::unique_ptr<Answers> answers() const override { return std::make_unique<Texts>(*this); }

  std::vector<std::string> notes() const override {
    return {"Answers are greedy, of at most " + std::to_string(generation_.max_new_tokens) +
            " tokens; agreement is that of the wanted texts' tokens."};
  }

 private:
  class Texts final : public Answers {
   public:
    explicit Texts(const GeneratedText& task)
        : task_(task), rouge_(task.data_.examples.size()), bleu_(task.data_.examples.size()) {}

    void attach(const Session& session) override { generator_.emplace(session); }

    void add(std::size_t index, std::span<const Encoding> encodings, std::span<const Tensors>,
             const Rows&) override {
      if (!generator_)
        fail_usage("--reference-outputs holds no model that could answer prompts; name a --reference");
      const std::string& wanted = task_.data_.examples[index].answers.front();
      const std::string text = task_.write(*generator_, encodings.front());
      if (task_.metric_ == "bleu") {
        bleu_[index] = bleu_counts(wanted, text);
      } else {
        rouge_[index] = rouge(task_.metric_, wanted, text);
      }
    }

    Scored scored() const override {
      return {task_.metric_ == "bleu" ? bleu_score(bleu_) : mean_score(rouge_), std::ssize(rouge_)};
    }

   private:
    const GeneratedText& task_;
    std::optional<Generator> generator_;
    std::vector<double> rouge_;
    std::vector<BleuCounts> bleu_;
  };

  std::vector<std::int64_t> prompt_ids(const std::string& text) const {
    if (!chat_) return tokenizer_.encode(text).ids;
    return tokenizer_.encode(chat_->prompt({chat_messages({}, text), {}}), {.add_special_tokens = false}).ids;
  }

  std::string write(const Generator& generator, const Encoding& encoding) const {
    const auto prompt = std::span(encoding.ids).first(static_cast<std::size_t>(first_scored(encoding)));
    TextStream stream(tokenizer_, chat_ ? std::span<const std::int64_t>() : prompt);
    std::string text;
    for (const std::int64_t token : generator.generate(prompt, generation_).tokens)
      text += stream.push(token);
    return text + stream.finish();
  }

  Tokenizer tokenizer_;
  std::string metric_;
  Dataset data_;
  std::optional<Chat> chat_;
  GenerationOptions generation_;
};

}  // namespace

EvaluationTaskPtr make_generated_text(const BundleModel& bundle, const EvaluationTaskOptions& options) {
  return std::make_unique<GeneratedText>(bundle, options);
}

}  // namespace bantam
