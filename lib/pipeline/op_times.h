#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "runtime/session.h"

namespace bantam {

// The time that all nodes of one op type took.
struct OpTime {
  std::string op;
  std::int64_t calls = 0;
  double ms = 0;
  double share = 0;  // of the time of all ops, in [0, 1]
};

// What a session's profile() adds up to, the largest time first; without what `before` had already counted
// (an earlier profile() of the same session, or nothing).
std::vector<OpTime> op_times(std::span<const NodeTime> nodes, std::span<const NodeTime> before = {});

std::string op_times_table(std::span<const OpTime> times);
Json op_times_json(std::span<const OpTime> times);

}  // namespace bantam
