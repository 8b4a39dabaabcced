#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace bantam {

struct RoundLimits {
  std::int64_t rounds = 0;   // 0: as many as fit into `seconds`, at least kLeastRounds
  double seconds = 2;        // per lane
  std::int64_t warm_up = 2;  // rounds that are not counted
};
inline constexpr std::int64_t kLeastRounds = 5;

// Milliseconds of every counted run of every lane. A round runs each lane once, and each round begins with
// another one, so that whatever else the machine does hits all alike. `warm` is called once, after the rounds
// that are not counted.
std::vector<std::vector<double>> time_round_robin(std::span<const std::function<void()>> lanes,
                                                  const RoundLimits& limits,
                                                  const std::function<void()>& warm = {});

struct TimeSummary {
  double median = 0;
  double mean = 0;
  double min = 0;
  double p10 = 0;
  double p90 = 0;
};
// Percentiles interpolate linearly, as numpy's do. `times` is not empty.
TimeSummary summarize(std::vector<double> times);

}  // namespace bantam
