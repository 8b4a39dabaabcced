#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "runtime/fuse.h"
#include "runtime/op.h"
#include "runtime/ops/ops.h"

namespace bantam {

std::optional<std::int64_t> newest_opset(std::string_view domain) {
  if (domain.empty()) return 28;
  if (domain == "com.microsoft" || domain == kInternalDomain) return 1;
  return std::nullopt;
}

std::span<const OpDef> op_defs() {
  static const std::vector<OpDef> all = [] {
    std::vector<OpDef> list;
    for (const auto family : op_families()) {
      const auto defs = family();
      list.insert(list.end(), defs.begin(), defs.end());
    }
    return list;
  }();
  return all;
}

const OpDef* find_op(std::string_view domain, std::string_view type, std::int64_t opset) {
  using Key = std::pair<std::string_view, std::string_view>;
  static const std::multimap<Key, const OpDef*> index = [] {
    std::multimap<Key, const OpDef*> map;
    for (const OpDef& def : op_defs()) map.emplace(Key{def.domain, def.type}, &def);
    return map;
  }();
  const OpDef* best = nullptr;
  const auto [begin, end] = index.equal_range(Key{domain, type});
  for (auto entry = begin; entry != end; ++entry) {
    const OpDef* def = entry->second;
    if (def->since <= opset && (best == nullptr || def->since > best->since)) best = def;
  }
  return best;
}

}  // namespace bantam
