#include "convert/weights.h"

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"

namespace bantam {
namespace {

constexpr std::size_t kShown = 10;
// A config that asks for a billion layers must not fill memory with their names.
constexpr std::size_t kMaxProblems = 1000;

// Stands in for a missing tensor until finish() reports it.
class MissingSource final : public TensorSource {
 public:
  explicit MissingSource(TensorSpec spec) : spec_(std::move(spec)) {}
  const TensorSpec& spec() const override { return spec_; }
  void read(RowRange, std::span<std::byte>) const override {
    fail("{}: is missing from the checkpoint", spec_.name);
  }

 private:
  TensorSpec spec_;
};

bool fits(const Shape& shape) {
  std::int64_t bytes = 8;  // of the widest element
  for (const std::int64_t dim : shape) {
    const auto next = checked_mul(bytes, std::max<std::int64_t>(dim, 1));
    if (!next || dim < 0) return false;
    bytes = *next;
  }
  return true;
}

bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  if (pattern.starts_with('*')) return name.ends_with(pattern.substr(1));
  return name == pattern;
}

// "3 tensors are missing: a, b, c"
std::string listed(std::vector<std::string> items, std::string_view one, std::string_view many) {
  std::ranges::sort(items);
  std::string text =
      items.size() == 1 ? fmt::format("1 {}: ", one) : fmt::format("{} {}: ", items.size(), many);
  for (std::size_t i = 0; i < std::min(items.size(), kShown); ++i) {
    if (i > 0) text += ", ";
    text += items[i];
  }
  if (items.size() > kShown) text += fmt::format(" and {} more", items.size() - kShown);
  return text;
}

}  // namespace

Weights::Weights(const Checkpoint& checkpoint)
    : file_(checkpoint.directory.string()), pruning_(checkpoint.pruning) {
  for (const auto& [name, source] : checkpoint.tensors) entries_.emplace(name, Entry{name, source});
}

void Weights::strip_prefix(std::initializer_list<std::string_view> prefixes) {
  for (const std::string_view prefix : prefixes) {
    std::vector<decltype(entries_)::node_type> nodes;
    for (auto entry = entries_.lower_bound(prefix);
         entry != entries_.end() && entry->first.starts_with(prefix);) {
      nodes.push_back(entries_.extract(entry++));
    }
    if (nodes.empty()) continue;
    for (auto& node : nodes) {
      node.key().erase(0, prefix.size());
      const auto result = entries_.insert(std::move(node));
      if (!result.inserted) {
        fail("{}: holds both {} and {}; they are the same weight of the model", file_,
             result.node.mapped().original, result.position->second.original);
      }
    }
    return;
  }
}

bool Weights::has(std::string_view name) const {
  return entries_.contains(name);
}

TensorSourcePtr Weights::claim(std::initializer_list<std::string_view> names, const Shape& shape) {
  BANTAM_ASSERT(names.size() > 0);
  if (!fits(shape)) {
    fail("{}: config.json asks for {} of shape {}, which no file can hold", file_, *names.begin(),
         to_string(shape));
  }
  TensorSpec expected{std::string(*names.begin()), DType::kF32, shape};
  for (const std::string_view name : names) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) continue;
    Entry& entry = found->second;
    entry.used = true;
    const TensorSpec& spec = entry.source->spec();
    if (spec.shape == shape && is_float(spec.dtype)) return entry.source;
    if (spec.shape != shape) {
      mismatched_.push_back(fmt::format("{} {} where {} was expected", entry.original, to_string(spec.shape),
                                        to_string(shape)));
    } else {
      mismatched_.push_back(
          fmt::format("{} of type {} where floats were expected", entry.original, bantam::name(spec.dtype)));
    }
    if (mismatched_.size() >= kMaxProblems) fail_with({});
    return std::make_shared<MissingSource>(std::move(expected));
  }
  std::string wanted;
  for (const std::string_view name : names) wanted += (wanted.empty() ? "" : " or ") + std::string(name);
  missing_.push_back(std::move(wanted));
  if (missing_.size() >= kMaxProblems) fail_with({});
  return std::make_shared<MissingSource>(std::move(expected));
}

TensorSourcePtr Weights::claim(std::string_view name, const Shape& shape) {
  return claim({name}, shape);
}

std::vector<std::string> Weights::drop(std::initializer_list<std::string_view> patterns) {
  std::vector<std::string> dropped;
  for (auto& [name, entry] : entries_) {
    if (entry.used) continue;
    for (const std::string_view pattern : patterns) {
      if (!matches(pattern, name)) continue;
      entry.used = true;
      dropped.push_back(entry.original);
      break;
    }
  }
  return dropped;
}

const HeadPruning* Weights::pruning() {
  asked_for_pruning_ = true;
  return pruning_ ? &*pruning_ : nullptr;
}

void Weights::finish() const {
  if (pruning_ && !asked_for_pruning_) fail("{}: heads of this family cannot be pruned", file_);
  std::vector<std::string> left_over;
  for (const auto& [name, entry] : entries_) {
    if (!entry.used) left_over.push_back(entry.original);
  }
  if (!missing_.empty() || !mismatched_.empty() || !left_over.empty()) fail_with(std::move(left_over));
}

void Weights::fail_with(std::vector<std::string> left_over) const {
  std::string text;
  const auto add = [&](std::vector<std::string> items, std::string_view one, std::string_view many) {
    if (items.empty()) return;
    if (!text.empty()) text += "; ";
    text += listed(std::move(items), one, many);
  };
  add(mismatched_, "tensor disagrees with config.json", "tensors disagree with config.json");
  add(missing_, "tensor is missing", "tensors are missing");
  add(std::move(left_over), "tensor has no place in the model", "tensors have no place in the model");
  fail("{}: {}", file_, text);
}

}  // namespace bantam
