#include "pipeline/answer/text_model.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "calibrate/answers/answer_span.h"
#include "calibrate/answers/classes.h"
#include "calibrate/answers/embedding.h"
#include "calibrate/answers/entity_groups.h"
#include "calibrate/answers/fill_mask.h"
#include "calibrate/labels.h"
#include "calibrate/tokenizer.h"

namespace bantam {
namespace {

constexpr std::array kTaskInputs{
    TaskInputs{Task::kTextClassification, "--text", "--pair", false, 1},
    TaskInputs{Task::kTokenClassification, "--text", "", false, 0},
    TaskInputs{Task::kQuestionAnswering, "--question", "--context", true, 0},
    TaskInputs{Task::kFillMask, "--text", "", false, 5},
    TaskInputs{Task::kFeatureExtraction, "--text", "", false, 0},
};

Tokenizer load_tokenizer(const BundleModel& bundle) {
  std::error_code error;
  if (!std::filesystem::exists(bundle.root / "tokenizer.json", error)) {
    fail("{}: holds no tokenizer.json, so it cannot read text; --inputs feeds it tensors",
         bundle.root.string());
  }
  return Tokenizer::load(bundle.root);
}

// Characters of UTF-8 text before byte `at`.
std::int64_t characters(std::string_view text, std::size_t at) {
  return std::ranges::count_if(text.substr(0, at),
                               [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

}  // namespace

const TaskInputs& task_inputs(Task task) {
  const auto found = std::ranges::find(kTaskInputs, task, &TaskInputs::task);
  if (found == kTaskInputs.end()) fail("{}: texts cannot be asked of such a model", name(task));
  return *found;
}

struct TextModel::State {
  struct Read {
    Encoding encoding;
    std::int64_t cut_tokens = 0;
  };

  const BundleModel& bundle;
  const Session& session;
  Tokenizer tokenizer;
  std::int64_t top = 0;
  LabelNames labels = {};         // of classifiers
  EmbeddingModules modules = {};  // of sentence embeddings

  Read read(const Question& question) const;
  std::vector<float> run(const Encoding& encoding, std::string_view output_name) const;
  LabelScores classify(const Encoding& encoding) const;
  Entities find_entities(const Question& question, const Encoding& encoding) const;
  MaskFillings fill(const Encoding& encoding) const;
  Embedding embed_text(const Encoding& encoding) const;
  Answer answer_question(const Question& question) const;
  Answer answer(const Question& question) const;
};

TextModel::TextModel(const BundleModel& bundle, const Session& session, std::optional<std::int64_t> top) {
  State state{bundle, session, load_tokenizer(bundle), top.value_or(task_inputs(bundle.task).default_top)};
  if (bundle.task == Task::kTextClassification || bundle.task == Task::kTokenClassification) {
    state.labels =
        with_context(bundle.config.path().string(), [&] { return label_names(bundle.config.json()); });
  }
  if (bundle.task == Task::kFeatureExtraction) {
    state.modules = read_embedding_modules(bundle.root).value_or(EmbeddingModules{});
  }
  state_ = std::make_unique<State>(std::move(state));
}

TextModel::~TextModel() = default;

Answer TextModel::answer(const Question& question) const {
  return with_context(question.where, [&] { return state_->answer(question); });
}

Answer TextModel::State::answer(const Question& question) const {
  if (bundle.task == Task::kQuestionAnswering) return answer_question(question);
  const auto [encoding, cut_tokens] = read(question);
  Answer answer{{}, encoding.size(), cut_tokens};
  switch (bundle.task) {
    case Task::kTextClassification:
      answer.value = classify(encoding);
      break;
    case Task::kTokenClassification:
      answer.value = find_entities(question, encoding);
      break;
    case Task::kFillMask:
      answer.value = fill(encoding);
      break;
    case Task::kFeatureExtraction:
      answer.value = embed_text(encoding);
      break;
    case Task::kQuestionAnswering:
      break;  // above
    case Task::kTextGeneration:
      break;  // task_inputs() refuses it
  }
  return answer;
}

TextModel::State::Read TextModel::State::read(const Question& question) const {
  const auto encode = [&](const EncodeOptions& options) {
    return question.pair ? tokenizer.encode_pair(question.text, *question.pair, options)
                         : tokenizer.encode(question.text, options);
  };
  Encoding whole = encode({});
  const auto limit = tokenizer.max_length();
  if (!limit || whole.size() <= *limit) return {std::move(whole), 0};
  EncodeOptions options;
  options.truncation = Truncation::kLongestFirst;
  options.max_length = *limit;
  Encoding cut = encode(options);
  const std::int64_t lost = whole.size() - cut.size();
  return {std::move(cut), lost};
}

std::vector<float> TextModel::State::run(const Encoding& encoding, std::string_view output_name) const {
  const Tensors outputs = session.run(token_inputs(session.inputs(), {&encoding, 1}));
  return with_context(output_name, [&] { return to_floats(output(outputs, output_name)); });
}

LabelScores TextModel::State::classify(const Encoding& encoding) const {
  const std::vector<float> values = run(encoding, "logits");
  if (std::ssize(values) != labels.size()) {
    fail("the model gives {} logits where config.json has {} labels", values.size(), labels.size());
  }
  LabelScores best;
  for (const ClassScore& score : class_scores(values, class_function(bundle.config.json(), labels.size()))) {
    if (std::ssize(best) == top) break;
    best.push_back({labels.names[static_cast<std::size_t>(score.id)], score.score});
  }
  return best;
}

Entities TextModel::State::find_entities(const Question& question, const Encoding& encoding) const {
  Entities entities;
  for (const Entity& entity : entity_groups(encoding, run(encoding, "logits"), labels)) {
    const ByteRange where = entity.where;
    entities.push_back({entity.type, entity.score, question.text.substr(where.begin, where.end - where.begin),
                        characters(question.text, where.begin), characters(question.text, where.end)});
  }
  return entities;
}

MaskFillings TextModel::State::fill(const Encoding& encoding) const {
  MaskFillings masks;
  for (const auto& found : fill_masks(tokenizer, encoding, run(encoding, "logits"), top)) {
    auto& fillings = masks.emplace_back();
    for (const Filling& filling : found)
      fillings.push_back({filling.token, filling.text, filling.score, filling.sequence});
  }
  return masks;
}

Embedding TextModel::State::embed_text(const Encoding& encoding) const {
  return embed(run(encoding, "last_hidden_state"), encoding.attention_mask, modules);
}

Answer TextModel::State::answer_question(const Question& question) const {
  BANTAM_ASSERT(question.pair.has_value());
  const std::string& context = *question.pair;
  const std::vector<Encoding> spans = encode_question(tokenizer, question.text, context);
  std::vector<std::vector<float>> starts, ends;
  std::vector<SpanLogits> span_logits;
  Answer answer;
  for (const Encoding& span : spans) {
    const Tensors outputs = session.run(token_inputs(session.inputs(), {&span, 1}));
    starts.push_back(to_floats(output(outputs, "start_logits")));
    ends.push_back(to_floats(output(outputs, "end_logits")));
    answer.tokens += span.size();
  }
  for (std::size_t i = 0; i < spans.size(); ++i) span_logits.push_back({starts[i], ends[i]});
  const FoundAnswer found = find_answer(tokenizer, context, spans, span_logits);
  answer.value = SpanAnswer{found.text, found.score, characters(context, found.where.begin),
                            characters(context, found.where.end)};
  return answer;
}

}  // namespace bantam
