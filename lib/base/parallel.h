#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace bantam {

// Calls body(i) for every i in [0, count) from `threads` threads (the caller is one of them), in dynamic
// order. The first exception stops the handing out of further items and is rethrown to the caller.
// `worker` is in [0, threads): index scratch memory by it.
void parallel_for(std::int64_t count, int threads,
                  const std::function<void(std::int64_t item, int worker)>& body);

// Threads that stay: for work that comes in many short pieces (a node of a graph), where starting threads
// would cost more than the piece. Idle helpers spin for some microseconds, then sleep.
class ThreadPool {
 public:
  // `threads` counts the caller: ThreadPool(1) has no helper and runs everything inline.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Calls body(item, worker) for every item in [0, count), as parallel_for does: dynamic order, first
  // exception rethrown, worker in [0, threads()). A call from inside a body, or while another thread is
  // inside run(), runs inline on the caller (worker 0), so `worker` may index scratch memory of this call
  // only.
  template <typename Body>
  void run(std::int64_t count, const Body& body) {
    run_erased(
        count,
        [](const void* object, std::int64_t item, int worker) {
          (*static_cast<const Body*>(object))(item, worker);
        },
        &body);
  }

 private:
  using Call = void (*)(const void* body, std::int64_t item, int worker);
  struct State;
  void run_erased(std::int64_t count, Call call, const void* body);

  int threads_;
  std::unique_ptr<State> state_;
};

// Hardware threads that this process may use (its CPU affinity), at least 1.
int available_threads();

// Cooperative cancellation: signal handlers set it, long loops look at it. Async-signal-safe.
void request_cancel() noexcept;
bool cancel_requested() noexcept;
// Throws Error{kCancelled} once request_cancel() was called.
void check_cancelled();

}  // namespace bantam
