#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bantam {

// What an example is made of. Which columns are looked for by default: the table in columns.cc.
enum class DatasetKind {
  kText,                 // text
  kClassification,       // text, optional pair, label
  kSimilarity,           // text, optional pair, score
  kTokenClassification,  // words, tags; or text alone, which is not labelled
  kQuestionAnswering,    // text is the question, pair the context; answers
  kGeneration,           // text is the prompt; answers: the texts wanted
  kRanking,              // id is the query's, text the query, pair the document, score its relevance
};
std::string_view name(DatasetKind kind);

// What the data says of an example; nothing where it is not labelled.
using Label = std::variant<std::monostate, std::int64_t, double, std::string>;

struct Example {
  std::string id;
  std::string text;
  std::string pair;
  bool has_pair = false;
  Label label;
  std::vector<std::string> words;
  std::vector<Label> tags;                  // as many as words; empty when not labelled
  std::vector<std::string> answers;         // acceptable answers; none: unanswerable
  std::vector<std::int64_t> answer_starts;  // byte in `pair` where each begins; -1 unknown
  bool has_answers = false;                 // false: not labelled
  std::int64_t line = 0;                    // of the file, from 1 (Parquet, JSON: the number of the row)
};

struct Dataset {
  std::filesystem::path path;
  std::string format;             // "jsonl", "csv", ...
  std::vector<Example> examples;  // in the order of the file
  std::vector<std::string>
      classes;  // names of the integer labels (or tags) where the file knows them (Parquet of the hub)
  bool labelled = false;  // every example has its label, tags or answers
  std::int64_t rows = 0;  // in the file, before sampling
  bool by_line = true;

  // "dev.tsv:17" or "dev.parquet: row 17", for messages.
  std::string place(const Example& example) const;
};

enum class Header { kAuto, kYes, kNo };        // first line of CSV and TSV
enum class Quotes { kAuto, kAlways, kNever };  // of CSV and TSV fields: see formats/delimited.cc
enum class CharacterSet { kUtf8, kLatin1 };
enum class TextUnit { kLine, kParagraph, kDocument };  // what an example of a plain text file is

struct DatasetOptions {
  std::string format = {};  // a name of dataset_formats(); empty: by extension, then by content
  // Field -> column: {"text", "review"}. Fields: id, text, pair, label, words, tags, answers. Columns of a
  // file without header are "1", "2", ...
  std::map<std::string, std::string> columns = {};
  Header header = Header::kAuto;
  Quotes quotes = Quotes::kAuto;
  CharacterSet charset = CharacterSet::kUtf8;
  TextUnit unit = TextUnit::kLine;
  std::int64_t limit = 0;  // at most so many examples, drawn uniformly by `seed`; 0: all
  std::uint64_t seed = 0;
  bool labels_required = false;
};

// Reads a file of examples. Deterministic: the same file, options and seed give the same examples in the same
// order. Errors name file and line: a missing column (with those that are there), broken lines, invalid
// UTF-8, examples of which only some are labelled, no example at all.
Dataset load_dataset(const std::filesystem::path& path, DatasetKind kind, const DatasetOptions& options = {});

struct DatasetFormat {
  std::string_view name;
  std::string_view description;
};
std::vector<DatasetFormat> dataset_formats();

}  // namespace bantam
