#include <nlohmann/json.hpp>

#include "pipeline/answer/answer.h"

namespace bantam {
namespace {

void put(Json& out, const LabelScores& labels) {
  Json list = Json::array();
  for (const LabelScore& label : labels) list.push_back({{"label", label.name}, {"score", label.score}});
  out["labels"] = std::move(list);
}

void put(Json& out, const Entities& entities) {
  Json list = Json::array();
  for (const FoundEntity& entity : entities) {
    list.push_back({{"entity_group", entity.group},
                    {"score", entity.score},
                    {"word", entity.word},
                    {"start", entity.start},
                    {"end", entity.end}});
  }
  out["entities"] = std::move(list);
}

void put(Json& out, const SpanAnswer& span) {
  out["answer"] = span.text;
  out["score"] = span.score;
  out["start"] = span.start;
  out["end"] = span.end;
}

void put(Json& out, const Embedding& embedding) {
  out["embedding"] = embedding;
}

void put(Json& out, const MaskFillings& masks) {
  Json lists = Json::array();
  for (const auto& fillings : masks) {
    Json list = Json::array();
    for (const MaskFilling& filling : fillings) {
      list.push_back({{"token", filling.token},
                      {"token_str", filling.token_text},
                      {"score", filling.score},
                      {"sequence", filling.sequence}});
    }
    lists.push_back(std::move(list));
  }
  out["masks"] = std::move(lists);
}

void put(Json& out, const Written& written) {
  out["prompt"] = written.prompt;
  out["generated_text"] = written.text;
  out["generated_tokens"] = written.tokens;
  out["finish_reason"] = written.finish_reason;
  out["prefill_tokens_per_s"] = written.prefill_speed;
  out["decode_tokens_per_s"] = written.decode_speed;
}

}  // namespace

Json answer_json(const Question& question, const Answer& answer) {
  Json out = {{"text", question.text}, {"tokens", answer.tokens}, {"cut_tokens", answer.cut_tokens}};
  out["pair"] = question.pair ? Json(*question.pair) : Json();
  std::visit([&](const auto& value) { put(out, value); }, answer.value);
  return out;
}

}  // namespace bantam
