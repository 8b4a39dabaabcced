#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/table.h"
#include "pipeline/answer/answer.h"

namespace bantam {
namespace {

using Rows = std::vector<std::vector<std::string>>;

constexpr std::size_t kTextWidth = 40;
constexpr std::size_t kFirstValues = 4;

// As much of the text as fits into a column.
std::string shortened(const std::string& text) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t next = at + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xc0) == 0x80) ++next;
    const std::string longer = out + text.substr(at, next - at);
    if (display_width(printable(longer)) > kTextWidth - 3) return out + "...";
    out = longer;
    at = next;
  }
  return out;
}

std::string score_text(double score) {
  return fmt::format("{:.4f}", score);
}

std::vector<Table::Column> columns(const LabelScores&) {
  return {{"label"}, {"score", Align::kRight}};
}
Rows rows(const LabelScores& labels) {
  Rows all;
  for (const LabelScore& label : labels) all.push_back({label.name, score_text(label.score)});
  return all;
}

std::vector<Table::Column> columns(const Entities&) {
  return {{"entity"}, {"score", Align::kRight}, {"word"}, {"start", Align::kRight}, {"end", Align::kRight}};
}
Rows rows(const Entities& entities) {
  Rows all;
  for (const FoundEntity& entity : entities) {
    all.push_back({entity.group, score_text(entity.score), entity.word, std::to_string(entity.start),
                   std::to_string(entity.end)});
  }
  if (all.empty()) all.push_back({"(none)"});
  return all;
}

std::vector<Table::Column> columns(const SpanAnswer&) {
  return {{"answer"}, {"score", Align::kRight}, {"start", Align::kRight}, {"end", Align::kRight}};
}
Rows rows(const SpanAnswer& span) {
  return {{span.text.empty() ? "(none)" : span.text, score_text(span.score), std::to_string(span.start),
           std::to_string(span.end)}};
}

std::vector<Table::Column> columns(const Embedding&) {
  return {{"dimensions", Align::kRight}, {"norm", Align::kRight}, {"values"}};
}
Rows rows(const Embedding& embedding) {
  double squares = 0;
  for (const float value : embedding) squares += static_cast<double>(value) * value;
  std::string first;
  for (std::size_t i = 0; i < std::min(kFirstValues, embedding.size()); ++i)
    first += fmt::format("{}{:.4f}", i > 0 ? ", " : "", embedding[i]);
  if (embedding.size() > kFirstValues) first += ", ...";
  return {{std::to_string(embedding.size()), fmt::format("{:.4f}", std::sqrt(squares)), first}};
}

std::vector<Table::Column> columns(const MaskFillings&) {
  return {{"mask", Align::kRight}, {"token"}, {"score", Align::kRight}, {"sequence"}};
}
Rows rows(const MaskFillings& masks) {
  Rows all;
  for (std::size_t mask = 0; mask < masks.size(); ++mask) {
    for (const MaskFilling& filling : masks[mask]) {
      all.push_back(
          {std::to_string(mask + 1), filling.token_text, score_text(filling.score), filling.sequence});
    }
  }
  return all;
}

std::vector<Table::Column> columns(const Written&) {
  return {{"generated"}};
}
Rows rows(const Written& written) {
  return {{written.text}};
}

}  // namespace

std::string answers_table(std::span<const Question> questions, std::span<const Answer> answers) {
  BANTAM_ASSERT(questions.size() == answers.size());
  if (answers.empty()) return {};
  const bool several = answers.size() > 1;
  std::vector<Table::Column> titles =
      std::visit([](const auto& value) { return columns(value); }, answers.front().value);
  if (several) titles.insert(titles.begin(), {"text"});
  Table table(std::move(titles));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    bool first = true;
    for (auto& row : std::visit([](const auto& value) { return rows(value); }, answers[i].value)) {
      if (several) row.insert(row.begin(), first ? shortened(questions[i].text) : "");
      table.add_row(std::move(row));
      first = false;
    }
  }
  return table.text();
}

}  // namespace bantam
