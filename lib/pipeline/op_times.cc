#include "pipeline/op_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/table.h"

namespace bantam {

std::vector<OpTime> op_times(std::span<const NodeTime> nodes, std::span<const NodeTime> before) {
  BANTAM_ASSERT(before.empty() || before.size() == nodes.size());
  std::map<std::string, OpTime> by_type;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    OpTime& time = by_type[nodes[i].type];
    const std::int64_t spent = nodes[i].nanoseconds - (before.empty() ? 0 : before[i].nanoseconds);
    time.op = nodes[i].type;
    time.calls += nodes[i].calls - (before.empty() ? 0 : before[i].calls);
    time.ms += static_cast<double>(spent) * 1e-6;
    total += spent;
  }
  std::vector<OpTime> times;
  for (auto& [type, time] : by_type) {
    time.share = total > 0 ? time.ms / (static_cast<double>(total) * 1e-6) : 0;
    if (time.calls > 0) times.push_back(time);
  }
  std::ranges::stable_sort(times, std::ranges::greater(), &OpTime::ms);
  return times;
}

std::string op_times_table(std::span<const OpTime> times) {
  Table table({{"op"}, {"calls", Align::kRight}, {"ms", Align::kRight}, {"share", Align::kRight}});
  OpTime all{.op = "all"};
  for (const OpTime& time : times) {
    table.add_row({time.op, std::to_string(time.calls), fmt::format("{:.3f}", time.ms),
                   fmt::format("{:.1f} %", 100 * time.share)});
    all.calls += time.calls;
    all.ms += time.ms;
  }
  table.add_rule();
  table.add_row({all.op, std::to_string(all.calls), fmt::format("{:.3f}", all.ms)});
  return table.text();
}

Json op_times_json(std::span<const OpTime> times) {
  Json list = Json::array();
  for (const OpTime& time : times) {
    list.push_back({{"op", time.op}, {"calls", time.calls}, {"ms", time.ms}, {"share", time.share}});
  }
  return list;
}

}  // namespace bantam
