#include "pipeline/calibrate/texts.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "calibrate/answers/answer_span.h"
#include "calibrate/metrics/perplexity.h"
#include "pipeline/calibrate/self_text.h"
#include "pipeline/evaluate/evaluation_task.h"
#include "pipeline/tokenizer_files.h"

namespace bantam {
namespace {

// Of what a decoder writes: as many tokens as the measurements of docs/calibration.md.
constexpr std::int64_t kOwnWindows = 64, kOwnLength = 512;
constexpr std::size_t kChunk = 512;  // texts that are encoded at once

DatasetKind kind_of(Task task) {
  switch (task) {
    case Task::kTextClassification:
      return DatasetKind::kClassification;
    case Task::kFeatureExtraction:
      return DatasetKind::kSimilarity;
    case Task::kQuestionAnswering:
      return DatasetKind::kQuestionAnswering;
    case Task::kTokenClassification:
      return DatasetKind::kTokenClassification;
    default:
      return DatasetKind::kText;
  }
}

// Rows of the table of word embeddings; 0 where the model has none.
std::int64_t vocabulary_of(const Graph& graph) {
  for (const Weight& weight : graph.weights) {
    if (weight.role == Role::kWordEmbedding) return weight.source->spec().rows();
  }
  return 0;
}

class Reader {
 public:
  Reader(const Checkpoint& checkpoint, const ModelGraph& model, const CalibrationDataOptions& options,
         int threads)
      : tokenizer_(checkpoint_tokenizer(checkpoint)),
        model_(model),
        options_(options),
        encode_(cut_to(tokenizer_, checkpoint.config, options.max_length)),
        vocabulary_(vocabulary_of(model.graph)),
        threads_(threads) {}

  CalibrationTexts read() {
    const Task task = model_.task;
    const bool causal = task == Task::kTextGeneration;
    DatasetOptions dataset = options_.dataset;
    const std::int64_t limit = causal ? std::exchange(dataset.limit, 0) : 0;  // of windows, not of documents
    if (causal && dataset.unit == TextUnit::kLine) dataset.unit = TextUnit::kDocument;
    data_ = load_dataset(options_.file, kind_of(task), dataset);
    texts_.describe(options_.file.filename().string(), options_.file.string(), data_.by_line ? ":" : ": row ",
                    tokenizer_.padding(), causal);
    if (task == Task::kTextClassification || task == Task::kFillMask || task == Task::kFeatureExtraction) {
      read_plain(task == Task::kFeatureExtraction);
    } else {
      for (const Example& example : data_.examples) {
        check_cancelled();
        if (limit > 0 && texts_.size() == limit) break;
        with_context(data_.place(example), [&] { read_one(task, example, limit); });
      }
    }
    if (texts_.tokens() < kFewestTokens) {
      fail("{}: {} tokens are too few to calibrate with; at least {} were expected", options_.file.string(),
           texts_.tokens(), kFewestTokens);
    }
    return std::move(texts_);
  }

 private:
  // Texts and pairs, many at a time; `apart` takes the two texts of a pair on their own.
  void read_plain(bool apart) {
    std::vector<TextPair> inputs;
    std::vector<std::int64_t> lines;
    for (const Example& example : data_.examples) {
      inputs.push_back({example.text, example.pair, example.has_pair && !apart});
      lines.push_back(example.line);
      if (!example.has_pair || !apart) continue;
      inputs.push_back({example.pair, {}, false});
      lines.push_back(example.line);
    }
    for (std::size_t begin = 0; begin < inputs.size(); begin += kChunk) {
      check_cancelled();
      const auto chunk = std::span(inputs).subspan(begin, std::min(kChunk, inputs.size() - begin));
      const std::vector<Encoding> encodings = tokenizer_.encode_batch(chunk, encode_, threads_);
      for (std::size_t i = 0; i < encodings.size(); ++i) add(encodings[i], lines[begin + i]);
    }
  }

  void read_one(Task task, const Example& example, std::int64_t limit) {
    if (task == Task::kTextGeneration) return read_windows(example, limit);
    if (task == Task::kQuestionAnswering) {
      AnswerOptions question;
      question.max_length = std::min(question.max_length, encode_.max_length);
      question.stride = std::min(question.stride, question.max_length / 2);
      for (const Encoding& span : encode_question(tokenizer_, example.text, example.pair, question)) {
        add(span, example.line);
      }
      return;
    }
    add(example.words.empty() ? tokenizer_.encode(example.text, encode_)
                              : tokenizer_.encode_words(example.words, encode_),
        example.line);
  }

  void read_windows(const Example& document, std::int64_t limit) {
    const Encoding whole = tokenizer_.encode(document.text);
    for (const TextWindow& window : text_windows(whole.size(), encode_.max_length, encode_.max_length)) {
      if (limit > 0 && texts_.size() == limit) return;
      Encoding part;
      part.ids.assign(whole.ids.begin() + window.begin, whole.ids.begin() + window.end);
      part.type_ids.assign(part.ids.size(), 0);
      add(part, document.line);
    }
  }

  void add(const Encoding& encoding, std::int64_t line) {
    if (encoding.size() == 0) return;
    texts_.add(encoding, line);
    if (vocabulary_ == 0) return;
    for (const std::int64_t id : encoding.ids) {
      if (id >= 0 && id < vocabulary_) continue;
      const std::string where = texts_.place(texts_.size() - 1);
      fail("{}: gives token {}, but the model's vocabulary has {}: is the tokenizer this checkpoint's?",
           where, id, vocabulary_);
    }
  }

  Tokenizer tokenizer_;
  const ModelGraph& model_;
  const CalibrationDataOptions& options_;
  EncodeOptions encode_;
  std::int64_t vocabulary_;
  int threads_;
  Dataset data_;
  CalibrationTexts texts_;
};

}  // namespace

std::int64_t CalibrationTexts::length(std::int64_t text) const {
  const auto index = static_cast<std::size_t>(text);
  return ends_.at(index) - (index == 0 ? 0 : ends_[index - 1]);
}

Encoding CalibrationTexts::encoding(std::int64_t text) const {
  const auto length = static_cast<std::size_t>(this->length(text));
  const auto begin = static_cast<std::size_t>(ends_[static_cast<std::size_t>(text)]) - length;
  Encoding encoding;
  const auto ids = std::span(ids_).subspan(begin, length);
  const auto types = std::span(types_).subspan(begin, length);
  encoding.ids.assign(ids.begin(), ids.end());
  encoding.type_ids.assign(types.begin(), types.end());
  encoding.attention_mask.assign(length, 1);
  // What pad() and others expect to be there.
  encoding.offsets.resize(length);
  encoding.word_ids.assign(length, -1);
  encoding.sequence_ids.assign(length, 0);
  encoding.special.assign(length, 0);
  return encoding;
}

std::string CalibrationTexts::place(std::int64_t text) const {
  return fmt::format("{}{}{}", where_, between_, lines_.at(static_cast<std::size_t>(text)));
}

std::string CalibrationTexts::digest() const {
  Digest digest = Digest::sha256();
  digest.update(std::as_bytes(std::span(ends_)));
  digest.update(std::as_bytes(std::span(ids_)));
  digest.update(std::as_bytes(std::span(types_)));
  return digest.hex();
}

void CalibrationTexts::add(const Encoding& encoding, std::int64_t line) {
  for (const std::int64_t id : encoding.ids) ids_.push_back(static_cast<std::int32_t>(id));
  for (const std::int64_t type : encoding.type_ids) types_.push_back(static_cast<std::uint8_t>(type));
  ends_.push_back(std::ssize(ids_));
  lines_.push_back(line);
}

void CalibrationTexts::describe(std::string name, std::string where, std::string between, Padding padding,
                                bool causal) {
  name_ = std::move(name);
  where_ = std::move(where);
  between_ = std::move(between);
  padding_ = padding;
  padding_.side = Side::kRight;
  padding_.multiple_of = 1;
  causal_ = causal;
}

Tokenizer checkpoint_tokenizer(const Checkpoint& checkpoint) {
  std::vector<std::string> notes;
  const std::vector<SmallFile> files = collect_small_files(checkpoint, notes);
  const auto content = [&](std::string_view name) -> std::string {
    const auto found = std::ranges::find(files, name, &SmallFile::name);
    if (found == files.end()) return {};
    return found->copy_of.empty() ? found->text : read_text_file(found->copy_of, found->bytes);
  };
  const std::string tokenizer = content("tokenizer.json");
  if (tokenizer.empty()) {
    fail("{}: has no tokenizer, which calibration needs to read texts", checkpoint.directory.string());
  }
  return with_context(checkpoint.directory.string(),
                      [&] { return Tokenizer::from_json(tokenizer, content("tokenizer_config.json")); });
}

CalibrationTexts load_calibration_texts(const Checkpoint& checkpoint, const ModelGraph& model,
                                        const CalibrationDataOptions& options, int threads,
                                        Progress& progress) {
  if (options.file == kSelf) {
    const std::int64_t length =
        std::min(options.max_length > 0 ? options.max_length : kOwnLength,
                 checkpoint.config.integer_or("max_position_embeddings", kOwnLength, 1));
    const std::int64_t windows = options.dataset.limit > 0 ? options.dataset.limit : kOwnWindows;
    return own_texts(model, checkpoint.config, windows, length, options.dataset.seed, threads, progress);
  }
  return Reader(checkpoint, model, options, threads).read();
}

}  // namespace bantam
