#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"

namespace bantam {
namespace {
std::atomic<bool> cancelled{false};
static_assert(std::atomic<bool>::is_always_lock_free);
}  // namespace

void parallel_for(std::int64_t count, int threads,
                  const std::function<void(std::int64_t item, int worker)>& body) {
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr first_error;
  const auto work = [&](int worker) {
    for (std::int64_t item = next++; item < count; item = next++) {
      try {
        body(item, worker);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first_error) first_error = std::current_exception();
        next = count;
      }
    }
  };
  const int used = static_cast<int>(std::clamp<std::int64_t>(count, 1, std::max(threads, 1)));
  {
    std::vector<std::jthread> helpers;
    for (int worker = 1; worker < used; ++worker) helpers.emplace_back(work, worker);
    work(0);
  }
  if (first_error) std::rethrow_exception(first_error);
}

int available_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

void request_cancel() noexcept {
  cancelled.store(true, std::memory_order_relaxed);
}
bool cancel_requested() noexcept {
  return cancelled.load(std::memory_order_relaxed);
}
void check_cancelled() {
  if (cancel_requested()) throw_error(ErrorCode::kCancelled, "interrupted; nothing was written");
}

}  // namespace bantam
