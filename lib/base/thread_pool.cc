#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bantam {
namespace {

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The word that caller and helpers agree on: bit 0 a job is open, bits 1..10 helpers inside it, the rest
// counts jobs.
constexpr std::uint32_t kOpen = 1;
constexpr std::uint32_t kOneActive = 2;
constexpr std::uint32_t kActiveMask = 0x7feu;
constexpr std::uint32_t kOneJob = 0x800u;
constexpr int kMaxThreads = 512;
// About 20 to 50 microseconds: longer than the gap between two nodes, shorter than anyone notices.
constexpr int kSpins = 1000;

constexpr std::uint32_t job_of(std::uint32_t word) {
  return word & ~(kOpen | kActiveMask);
}

}  // namespace

struct ThreadPool::State {
  std::atomic<std::uint32_t> word{0};
  std::atomic<bool> stop{false};
  std::mutex owner;  // held by the thread whose job runs

  Call call = nullptr;
  const void* body = nullptr;
  std::int64_t count = 0;
  std::atomic<std::int64_t> next{0};
  std::mutex error_mutex;
  std::exception_ptr first_error;

  std::vector<std::jthread> helpers;

  void work(int worker) {
    for (std::int64_t item = next++; item < count; item = next++) {
      try {
        call(body, item, worker);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!first_error) first_error = std::current_exception();
        next = count;
      }
    }
  }

  // Returns once `word` differs from `seen`.
  void wait_for_change(std::uint32_t seen) {
    for (int i = 0; i < kSpins; ++i) {
      if (word.load(std::memory_order_acquire) != seen) return;
      relax();
    }
    word.wait(seen, std::memory_order_acquire);
  }

  void help(int worker) {
    std::uint32_t done = 0;  // the last job this helper took part in; jobs start at kOneJob
    for (;;) {
      std::uint32_t seen = word.load(std::memory_order_acquire);
      // Asked after `word`: a stop that is not seen here changes `word` later, so that nobody falls asleep
      // for good.
      if (stop.load(std::memory_order_relaxed)) return;
      if ((seen & kOpen) == 0 || job_of(seen) == done) {
        wait_for_change(seen);
        continue;
      }
      if (!word.compare_exchange_weak(seen, seen + kOneActive, std::memory_order_acq_rel)) continue;
      done = job_of(seen);
      work(worker);
      word.fetch_sub(kOneActive, std::memory_order_acq_rel);
      word.notify_all();
    }
  }
};

ThreadPool::ThreadPool(int threads)
    : threads_(std::clamp(threads, 1, kMaxThreads)), state_(std::make_unique<State>()) {
  for (int worker = 1; worker < threads_; ++worker) {
    state_->helpers.emplace_back([state = state_.get(), worker] { state->help(worker); });
  }
}

ThreadPool::~ThreadPool() {
  state_->stop = true;
  state_->word.fetch_add(kOneJob);
  state_->word.notify_all();
}

void ThreadPool::run_erased(std::int64_t count, Call call, const void* body) {
  State& state = *state_;
  std::unique_lock<std::mutex> lock;
  // try_lock by the thread that owns the mutex is undefined, so nested calls are recognised by a flag of the
  // thread.
  static thread_local bool inside = false;
  if (count > 1 && threads_ > 1 && !inside) lock = std::unique_lock(state.owner, std::try_to_lock);
  if (!lock.owns_lock()) {
    for (std::int64_t item = 0; item < count; ++item) call(body, item, 0);
    return;
  }
  state.call = call;
  state.body = body;
  state.count = count;
  state.next = 0;
  const std::uint32_t job = job_of(state.word.load(std::memory_order_relaxed)) + kOneJob;
  state.word.store(job | kOpen, std::memory_order_release);
  state.word.notify_all();
  inside = true;
  state.work(0);
  inside = false;
  std::uint32_t seen = state.word.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  while ((seen & kActiveMask) != 0) {
    state.wait_for_change(seen);
    seen = state.word.load(std::memory_order_acquire);
  }
  if (state.first_error) std::rethrow_exception(std::exchange(state.first_error, nullptr));
}

}  // namespace bantam
