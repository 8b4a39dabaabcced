#pragma once

#include <cstdint>
#include <functional>

namespace bantam {

// Calls body(i) for every i in [0, count) from `threads` threads (the caller is one of them), in dynamic
// order. The first exception stops the handing out of further items and is rethrown to the caller.
// `worker` is in [0, threads): index scratch memory by it.
void parallel_for(std::int64_t count, int threads,
                  const std::function<void(std::int64_t item, int worker)>& body);

// Hardware threads that this process may use (its CPU affinity), at least 1.
int available_threads();

// Cooperative cancellation: signal handlers set it, long loops look at it. Async-signal-safe.
void request_cancel() noexcept;
bool cancel_requested() noexcept;
// Throws Error{kCancelled} once request_cancel() was called.
void check_cancelled();

}  // namespace bantam
