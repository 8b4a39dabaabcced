#include "calibrate/answers/entity_groups.h"

#include <string_view>

#include "base/error.h"
#include "calibrate/answers/classes.h"

namespace bantam {
namespace {

std::span<const float> row(std::span<const float> logits, std::size_t token, std::size_t classes) {
  return logits.subspan(token * classes, classes);
}

struct Tag {
  bool begins = false;
  std::string_view type;
};

Tag parse(std::string_view label) {
  if (label.starts_with("B-")) return {true, label.substr(2)};
  if (label.starts_with("I-")) return {false, label.substr(2)};
  return {false, label};
}

// What follows the first dash; the whole label where there is none.
std::string type_of(const std::string& label) {
  const std::size_t dash = label.find('-');
  return dash == std::string::npos ? label : label.substr(dash + 1);
}

std::size_t check(const Encoding& encoding, std::span<const float> logits, const LabelNames& labels) {
  const auto classes = static_cast<std::size_t>(labels.size());
  if (logits.size() != classes * encoding.ids.size()) {
    fail("{} logits for {} tokens and {} labels", logits.size(), encoding.ids.size(), classes);
  }
  return classes;
}

}  // namespace

std::vector<Entity> entity_groups(const Encoding& encoding, std::span<const float> logits,
                                  const LabelNames& labels) {
  const std::size_t classes = check(encoding, logits, labels);
  struct Group {
    std::string first_label;
    std::string last_label;
    Entity entity;
    double sum = 0;
    std::int64_t tokens = 0;
  };
  std::vector<Entity> entities;
  Group group;
  const auto close = [&] {
    if (group.tokens == 0 || group.first_label == "O") return;
    group.entity.type = type_of(group.first_label);
    group.entity.score = group.sum / static_cast<double>(group.tokens);
    entities.push_back(group.entity);
  };
  for (std::size_t token = 0; token < encoding.ids.size(); ++token) {
    if (encoding.special[token] != 0) continue;
    const std::span<const float> values = row(logits, token, classes);
    const auto id = static_cast<std::size_t>(arg_max(values));
    const std::string& label = labels.names[id];
    const bool same =
        group.tokens > 0 && parse(label).type == parse(group.last_label).type && !parse(label).begins;
    if (!same) {
      close();
      group = {};
      group.first_label = label;
      group.entity.where = encoding.offsets[token];
      group.entity.first_token = static_cast<std::int64_t>(token);
    }
    group.last_label = label;
    group.entity.where.end = encoding.offsets[token].end;
    group.entity.last_token = static_cast<std::int64_t>(token);
    group.sum += softmax(values)[id];
    ++group.tokens;
  }
  close();
  return entities;
}

std::vector<std::string> word_tags(const Encoding& encoding, std::span<const float> logits,
                                   const LabelNames& labels, std::int64_t words) {
  const std::size_t classes = check(encoding, logits, labels);
  std::vector<std::string> tags(static_cast<std::size_t>(words));
  for (std::size_t token = 0; token < encoding.ids.size(); ++token) {
    const std::int32_t word = encoding.word_ids[token];
    if (word < 0 || word >= words || !tags[static_cast<std::size_t>(word)].empty()) continue;
    const auto id = static_cast<std::size_t>(arg_max(row(logits, token, classes)));
    tags[static_cast<std::size_t>(word)] = labels.names[id];
  }
  for (std::string& tag : tags) {
    if (tag.empty()) tag = "O";
  }
  return tags;
}

}  // namespace bantam
