#include "pipeline/bench/round_robin.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/parallel.h"

namespace bantam {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double percentile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

}  // namespace

std::vector<std::vector<double>> time_round_robin(std::span<const std::function<void()>> lanes,
                                                  const RoundLimits& limits,
                                                  const std::function<void()>& warm) {
  BANTAM_ASSERT(!lanes.empty());
  for (std::int64_t round = 0; round < limits.warm_up; ++round) {
    for (const auto& lane : lanes) lane();
  }
  if (warm) warm();
  std::vector<std::vector<double>> times(lanes.size());
  const double budget = limits.seconds * 1e3 * static_cast<double>(lanes.size());
  double spent = 0;
  const auto done = [&](std::int64_t round) {
    if (limits.rounds > 0) return round >= limits.rounds;
    return round >= kLeastRounds && spent >= budget;
  };
  for (std::int64_t round = 0; !done(round); ++round) {
    check_cancelled();
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      const std::size_t lane = (i + static_cast<std::size_t>(round)) % lanes.size();
      const auto begin = Clock::now();
      lanes[lane]();
      times[lane].push_back(milliseconds(Clock::now() - begin));
      spent += times[lane].back();
    }
  }
  return times;
}

TimeSummary summarize(std::vector<double> times) {
  BANTAM_ASSERT(!times.empty());
  std::ranges::sort(times);
  TimeSummary summary;
  summary.median = percentile(times, 0.5);
  summary.mean = std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  summary.min = times.front();
  summary.p10 = percentile(times, 0.1);
  summary.p90 = percentile(times, 0.9);
  return summary;
}

}  // namespace bantam
