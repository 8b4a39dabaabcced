#include "calibrate/labels.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/ascii.h"
#include "base/error.h"
#include "base/table.h"

namespace bantam {
namespace {

constexpr std::int64_t kMaxLabels = 1 << 20;

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> whole(double value) {
  if (!std::isfinite(value) || value != std::floor(value) || std::abs(value) > 1e15) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 12; ++i) text += (i == 0 ? "" : ", ") + printable(names[i]);
  return names.size() > 12 ? text + ", ..." : text;
}

// Index of a name: exact, else the only one that is equal without regard to case.
std::optional<std::int64_t> find_name(const std::vector<std::string>& names, std::string_view wanted) {
  const auto exact = std::ranges::find(names, wanted);
  if (exact != names.end()) return exact - names.begin();
  const std::string low = ascii_lower(wanted);
  std::optional<std::int64_t> found;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (ascii_lower(names[i]) != low) continue;
    if (found) return std::nullopt;
    found = static_cast<std::int64_t>(i);
  }
  return found;
}

class Resolver {
 public:
  Resolver(const Dataset& dataset, const LabelNames& labels, const LabelRenames& renames)
      : labels_(labels), renames_(renames) {
    for (const auto& [from, to] : renames) {
      if (!find_name(labels.names, to)) {
        fail_usage("{} cannot be called {}: the labels of the model are {}", quote(from), quote(to),
                   list_of(labels.names));
      }
    }
    std::vector<std::int64_t> by_name;
    for (const std::string& known : dataset.classes) {
      if (const auto id = find_name(labels.names, renamed(known))) by_name.push_back(*id);
    }
    if (!labels.generic && !by_name.empty() && by_name.size() == dataset.classes.size())
      by_name_ = std::move(by_name);
  }

  std::int64_t operator()(const Label& label) const {
    if (const auto* text = std::get_if<std::string>(&label)) return by_text(*text);
    if (const auto* id = std::get_if<std::int64_t>(&label)) return by_index(*id);
    const auto* number = std::get_if<double>(&label);
    if (number == nullptr) fail("there is no label");
    const auto id = whole(*number);
    if (!id) fail("label {} is no class; for scores the task is similarity or regression", *number);
    return by_index(*id);
  }

 private:
  const std::string& renamed(const std::string& text) const {
    const auto found = renames_.find(text);
    return found == renames_.end() ? text : found->second;
  }

  std::int64_t by_text(const std::string& text) const {
    if (const auto id = find_name(labels_.names, renamed(text))) return *id;
    if (const auto id = number_of<std::int64_t>(text)) return by_index(*id);
    if (const auto number = number_of<double>(text)) {
      if (const auto id = whole(*number)) return by_index(*id);
    }
    fail("label {} is none of the model's ({}); say which it is: {}=LABEL", quote(text),
         list_of(labels_.names), printable(text));
  }

  std::int64_t by_index(std::int64_t id) const {
    const auto limit = by_name_.empty() ? labels_.size() : static_cast<std::int64_t>(by_name_.size());
    if (id < 0 || id >= limit) {
      fail("label {} where 0 to {} were expected: the model's labels are {}{}", id, limit - 1,
           list_of(labels_.names),
           id == -1 ? " (data sets of the hub write -1 where labels are withheld)" : "");
    }
    return by_name_.empty() ? id : by_name_[static_cast<std::size_t>(id)];
  }

  const LabelNames& labels_;
  const LabelRenames& renames_;
  std::vector<std::int64_t> by_name_;
};

std::string tag_text(const Label& tag, const Dataset& dataset, const LabelNames& labels,
                     const LabelRenames& renames) {
  if (const auto* text = std::get_if<std::string>(&tag)) {
    const auto found = renames.find(*text);
    return found == renames.end() ? *text : found->second;
  }
  const auto* id = std::get_if<std::int64_t>(&tag);
  if (id == nullptr) fail("a tag that is neither text nor an integer");
  const std::vector<std::string>& names = dataset.classes.empty() ? labels.names : dataset.classes;
  if (*id < 0 || *id >= std::ssize(names)) {
    fail("tag {} where 0 to {} were expected: {}", *id, std::ssize(names) - 1, list_of(names));
  }
  return names[static_cast<std::size_t>(*id)];
}

}  // namespace

LabelNames label_names(const Json& config) {
  LabelNames labels;
  const auto object = [&](const char* key) {
    return config.is_object() && config.contains(key) && config[key].is_object() && !config[key].empty();
  };
  std::map<std::int64_t, std::string> by_id;
  if (object("id2label")) {
    for (const auto& [key, value] : config["id2label"].items()) {
      const auto id = number_of<std::int64_t>(key);
      if (!id || !value.is_string())
        fail("id2label: {} where a class index and its name were expected", quote(key));
      by_id[*id] = value.get<std::string>();
    }
  } else if (object("label2id")) {
    for (const auto& [key, value] : config["label2id"].items()) {
      if (!value.is_number_integer()) fail("label2id: {} has no integer", quote(key));
      by_id[value.get<std::int64_t>()] = key;
    }
  } else {
    std::int64_t count = 2;  // transformers' default
    if (config.is_object() && config.contains("num_labels") && config["num_labels"].is_number_integer()) {
      count = config["num_labels"].get<std::int64_t>();
    }
    if (count < 1 || count > kMaxLabels)
      fail("num_labels is {} where 1 to {} was expected", count, kMaxLabels);
    for (std::int64_t id = 0; id < count; ++id) by_id[id] = "LABEL_" + std::to_string(id);
  }
  for (const auto& [id, label] : by_id) {
    if (id != labels.size())
      fail("id2label: {} where {} was expected: classes are counted from 0", id, labels.size());
    if (std::ranges::find(labels.names, label) != labels.names.end())
      fail("id2label: two classes are called {}", quote(label));
    labels.names.push_back(label);
  }
  labels.generic = true;
  for (std::int64_t id = 0; id < labels.size(); ++id) {
    const std::string& label = labels.names[static_cast<std::size_t>(id)];
    labels.generic = labels.generic && ascii_lower(label) == "label_" + std::to_string(id);
  }
  return labels;
}

std::vector<std::int64_t> class_ids(const Dataset& dataset, const LabelNames& labels,
                                    const LabelRenames& renames) {
  const Resolver resolve(dataset, labels, renames);
  std::vector<std::int64_t> ids;
  for (const Example& example : dataset.examples) {
    with_context(dataset.place(example), [&] { ids.push_back(resolve(example.label)); });
  }
  return ids;
}

std::vector<double> scores(const Dataset& dataset) {
  std::vector<double> values;
  for (const Example& example : dataset.examples) {
    with_context(dataset.place(example), [&] {
      std::optional<double> value;
      if (const auto* text = std::get_if<std::string>(&example.label)) {
        value = number_of<double>(*text);
        if (!value) fail("score {} is no number", quote(*text));
      } else if (const auto* id = std::get_if<std::int64_t>(&example.label)) {
        value = static_cast<double>(*id);
      } else if (const auto* number = std::get_if<double>(&example.label)) {
        value = *number;
      } else {
        fail("there is no score");
      }
      if (!std::isfinite(*value)) fail("score {} is not finite", *value);
      values.push_back(*value);
    });
  }
  return values;
}

std::vector<std::vector<std::string>> tag_names(const Dataset& dataset, const LabelNames& labels,
                                                const LabelRenames& renames) {
  std::vector<std::vector<std::string>> all;
  for (const Example& example : dataset.examples) {
    std::vector<std::string>& tags = all.emplace_back();
    with_context(dataset.place(example), [&] {
      for (const Label& tag : example.tags) tags.push_back(tag_text(tag, dataset, labels, renames));
    });
  }
  return all;
}

}  // namespace bantam
