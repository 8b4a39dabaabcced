#include "calibrate/metrics/entities.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/error.h"

namespace bantam {
namespace {

struct Tag {
  char prefix = 'O';
  std::string_view type = "_";
};

Tag parse(std::string_view text) {
  if (text.empty()) return {};
  Tag tag{text[0], text.substr(1)};
  if (tag.prefix == 'L') tag.prefix = 'E';
  if (tag.prefix == 'U') tag.prefix = 'S';
  if (const std::size_t dash = tag.type.find('-'); dash != std::string_view::npos)
    tag.type.remove_prefix(dash + 1);
  if (tag.type.empty()) tag.type = "_";
  return tag;
}

bool outside(const Tag& tag) {
  return tag.prefix == 'O' || tag.prefix == '.';
}

// Whether an entity that `before` is part of ends before `here`.
bool ends(const Tag& before, const Tag& here) {
  if (before.prefix == 'E' || before.prefix == 'S') return true;
  const bool inside = before.prefix == 'B' || before.prefix == 'I';
  if (inside && (here.prefix == 'B' || here.prefix == 'S' || here.prefix == 'O')) return true;
  return !outside(before) && before.type != here.type;
}

bool begins(const Tag& before, const Tag& here) {
  if (here.prefix == 'B' || here.prefix == 'S') return true;
  const bool continues = here.prefix == 'E' || here.prefix == 'I';
  if (continues && (before.prefix == 'E' || before.prefix == 'S' || before.prefix == 'O')) return true;
  return !outside(here) && before.type != here.type;
}

double ratio(std::int64_t numerator, std::int64_t denominator) {
  return denominator == 0 ? 0 : static_cast<double>(numerator) / static_cast<double>(denominator);
}

}  // namespace

std::vector<Chunk> chunks_of(std::span<const std::string> tags) {
  std::vector<Chunk> chunks;
  Tag before;
  before.type = "";
  std::int64_t first = 0;
  for (std::int64_t i = 0; i <= std::ssize(tags); ++i) {
    const Tag here = i < std::ssize(tags) ? parse(tags[static_cast<std::size_t>(i)]) : Tag{};
    if (ends(before, here)) chunks.push_back({std::string(before.type), first, i - 1});
    if (begins(before, here)) first = i;
    before = here;
  }
  return chunks;
}

ChunkCounts& ChunkCounts::operator+=(const ChunkCounts& other) {
  expected += other.expected;
  predicted += other.predicted;
  right += other.right;
  return *this;
}

double ChunkCounts::precision() const {
  return ratio(right, predicted);
}
double ChunkCounts::recall() const {
  return ratio(right, expected);
}
double ChunkCounts::f1() const {
  return ratio(2 * right, expected + predicted);
}

ChunkCountsByType count_chunks(std::span<const std::string> expected,
                               std::span<const std::string> predicted) {
  BANTAM_ASSERT(expected.size() == predicted.size());
  const auto set_of = [](const std::vector<Chunk>& chunks) {
    return std::set<Chunk>(chunks.begin(), chunks.end());
  };
  const std::set<Chunk> wanted = set_of(chunks_of(expected));
  const std::set<Chunk> given = set_of(chunks_of(predicted));
  ChunkCountsByType counts;
  for (const Chunk& chunk : wanted) {
    ++counts[chunk.type].expected;
    if (given.contains(chunk)) ++counts[chunk.type].right;
  }
  for (const Chunk& chunk : given) ++counts[chunk.type].predicted;
  return counts;
}

double micro_f1(const ChunkCountsByType& counts) {
  ChunkCounts all;
  for (const auto& [type, count] : counts) all += count;
  return all.f1();
}

double macro_f1(const ChunkCountsByType& counts) {
  double sum = 0;
  for (const auto& [type, count] : counts) sum += count.f1();
  return counts.empty() ? 0 : sum / static_cast<double>(counts.size());
}

}  // namespace bantam
