#include "calibrate/dataset.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"
#include "calibrate/columns.h"
#include "calibrate/formats/record_reader.h"

namespace bantam {
namespace {

// Of all examples kept: what is larger does not fit a reference run either.
constexpr std::int64_t kMaxKeptBytes = std::int64_t{4} << 30;

bool has_label(const Example& example, DatasetKind kind) {
  switch (kind) {
    case DatasetKind::kText:
      return false;
    case DatasetKind::kTokenClassification:
      return !example.tags.empty() || (example.words.empty() && example.text.empty());
    case DatasetKind::kQuestionAnswering:
    case DatasetKind::kGeneration:
      return example.has_answers;
    default:
      return !std::holds_alternative<std::monostate>(example.label);
  }
}

std::int64_t bytes_of(const Example& example) {
  std::size_t bytes = sizeof(Example) + example.text.size() + example.pair.size();
  for (const std::string& word : example.words) bytes += sizeof(std::string) + word.size();
  return static_cast<std::int64_t>(bytes + example.tags.size() * sizeof(Label));
}

std::string place(const std::filesystem::path& path, bool by_line, std::int64_t line) {
  return by_line ? fmt::format("{}:{}", path.string(), line) : fmt::format("{}: row {}", path.string(), line);
}

// Keeps all examples, or a uniform sample of `limit` (algorithm R, Vitter 1985), in the order of the file.
class Sample {
 public:
  Sample(std::int64_t limit, std::uint64_t seed) : limit_(limit), random_(seed) {}

  void add(Example example) {
    const std::int64_t index = seen_++;
    std::size_t slot = examples_.size();
    if (limit_ > 0 && index >= limit_) {
      const std::int64_t drawn = random_.below(index + 1);
      if (drawn >= limit_) return;
      slot = static_cast<std::size_t>(drawn);
      bytes_ -= bytes_of(examples_[slot].second);
      examples_[slot] = {};
    } else {
      examples_.emplace_back();
    }
    bytes_ += bytes_of(example);
    if (bytes_ > kMaxKeptBytes) fail("more than 4 GiB of examples; take a sample (--limit)");
    examples_[slot] = {index, std::move(example)};
  }

  std::vector<Example> take() {
    std::ranges::sort(examples_, {}, &std::pair<std::int64_t, Example>::first);
    std::vector<Example> examples;
    for (auto& [index, example] : examples_) examples.push_back(std::move(example));
    return examples;
  }

  std::int64_t seen() const { return seen_; }

 private:
  std::int64_t limit_;
  Random random_;
  std::int64_t seen_ = 0;
  std::int64_t bytes_ = 0;
  std::vector<std::pair<std::int64_t, Example>> examples_;
};

}  // namespace

std::string_view name(DatasetKind kind) {
  switch (kind) {
    case DatasetKind::kText:
      return "text";
    case DatasetKind::kClassification:
      return "classification";
    case DatasetKind::kSimilarity:
      return "similarity";
    case DatasetKind::kTokenClassification:
      return "token classification";
    case DatasetKind::kQuestionAnswering:
      return "question answering";
    case DatasetKind::kGeneration:
      return "generation";
    case DatasetKind::kRanking:
      return "ranking";
  }
  return "";
}

std::string Dataset::place(const Example& example) const {
  return bantam::place(path, by_line, example.line);
}

Dataset load_dataset(const std::filesystem::path& path, DatasetKind kind, const DatasetOptions& options) {
  if (options.limit < 0)
    fail_usage("a limit of {} examples where at least 1 was expected (0: all)", options.limit);
  const Format& format = find_format(path, kind, options);
  const RecordReaderPtr reader = format.open(path, options);
  Dataset dataset;
  dataset.path = path;
  dataset.format = format.name;
  dataset.by_line = reader->by_line();
  const auto nothing = [&] { fail("{}: there is no example in this file", path.string()); };

  Json row;
  std::int64_t line = 0;
  ColumnMap columns;
  const std::vector<std::string> names = reader->columns();
  if (names.empty()) nothing();
  with_context(path.string(), [&] {
    if (!reader->positional()) columns = map_named_columns(names, kind, options);
  });
  if (reader->positional()) {
    line = reader->next(row);
    with_context(path.string(), [&] { columns = map_positional_columns(names, row, kind, options); });
  } else {
    reader->select(columns.used());
    line = reader->next(row);
  }
  dataset.classes = reader->classes(kind == DatasetKind::kTokenClassification ? columns.tags : columns.label);

  Sample sample(options.limit, options.seed);
  std::int64_t first_labelled = 0, first_unlabelled = 0;
  for (; line != 0; line = reader->next(row)) {
    check_cancelled();
    with_context(place(path, dataset.by_line, line), [&] {
      Example example = example_from_row(row, kind, columns);
      example.line = line;
      std::int64_t& first = has_label(example, kind) ? first_labelled : first_unlabelled;
      if (first == 0) first = line;
      sample.add(std::move(example));
    });
  }
  if (sample.seen() == 0) nothing();
  if (first_labelled != 0 && first_unlabelled != 0) {
    fail("{}: no label here, but there is one at {}", place(path, dataset.by_line, first_unlabelled),
         place(path, dataset.by_line, first_labelled));
  }
  dataset.labelled = first_labelled != 0;
  if (options.labels_required && !dataset.labelled) {
    fail("{}: no labels; the columns are read as {}", path.string(),
         columns.label.empty() ? "text only" : columns.label);
  }
  dataset.rows = sample.seen();
  dataset.examples = sample.take();
  return dataset;
}

}  // namespace bantam
