// SQuAD 1.1 and 2.0: {"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers",
// "is_impossible"}]}]}]}.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "calibrate/formats/json_file.h"
#include "calibrate/formats/record_reader.h"
#include "calibrate/utf8.h"

namespace bantam {
namespace {

const Json& member(const Json& object, const char* key, Json::value_t type, const std::string& where) {
  if (!object.is_object() || !object.contains(key)) fail("{}: \"{}\" is missing", where, key);
  if (object[key].type() != type) {
    fail("{}: \"{}\" is a JSON {} where {} was expected", where, key, object[key].type_name(),
         Json(type).type_name());
  }
  return object[key];
}

class SquadReader final : public RecordReader {
 public:
  explicit SquadReader(const std::filesystem::path& path) {
    const std::vector<Json> articles = read_json_rows(path);
    for (std::size_t a = 0; a < articles.size(); ++a) {
      const std::string article = fmt::format("{}: data[{}]", path.string(), a);
      const Json& paragraphs = member(articles[a], "paragraphs", Json::value_t::array, article);
      for (std::size_t p = 0; p < paragraphs.size(); ++p) {
        add_paragraph(paragraphs[p], fmt::format("{}.paragraphs[{}]", article, p));
      }
    }
  }

  std::vector<std::string> columns() override { return {"id", "question", "context", "answers"}; }
  bool by_line() const override { return false; }

  std::int64_t next(Json& row) override {
    if (at_ == rows_.size()) return 0;
    row = std::move(rows_[at_].row);
    row["context"] = contexts_[rows_[at_].context];
    return static_cast<std::int64_t>(++at_);
  }

 private:
  struct Row {
    Json row;
    std::size_t context;
  };

  void add_paragraph(const Json& paragraph, const std::string& where) {
    contexts_.push_back(member(paragraph, "context", Json::value_t::string, where).get<std::string>());
    const Json& questions = member(paragraph, "qas", Json::value_t::array, where);
    for (std::size_t q = 0; q < questions.size(); ++q) {
      const Json& question = questions[q];
      const std::string place = fmt::format("{}.qas[{}]", where, q);
      Json row = {{"question", member(question, "question", Json::value_t::string, place)}};
      if (question.contains("id") && question["id"].is_string()) row["id"] = question["id"];
      if (question.contains("answers")) {
        // The form of the data sets library, which columns.cc reads.
        Json texts = Json::array(), starts = Json::array();
        for (const Json& answer : member(question, "answers", Json::value_t::array, place)) {
          texts.push_back(member(answer, "text", Json::value_t::string, place));
          starts.push_back(answer.value("answer_start", Json(-1)));
        }
        row["answers"] = {{"text", texts}, {"answer_start", starts}};
      }
      rows_.push_back({std::move(row), contexts_.size() - 1});
    }
  }

  std::vector<std::string> contexts_;
  std::vector<Row> rows_;
  std::size_t at_ = 0;
};

bool looks_like_squad(std::string_view head) {
  return trim(head).starts_with('{') && head.find("\"paragraphs\"") != std::string_view::npos;
}

RecordReaderPtr open_squad(const std::filesystem::path& path, const DatasetOptions&) {
  return std::make_unique<SquadReader>(path);
}

}  // namespace

const Format kSquadFormat = {"squad", "SQuAD 1.1 and 2.0 JSON", {}, looks_like_squad, open_squad};

}  // namespace bantam
