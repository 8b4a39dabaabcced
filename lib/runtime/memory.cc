#include "runtime/memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>

#include "base/checked.h"
#include "base/error.h"

namespace bantam {
namespace {

// Blocks of up to twice the size (or a page more) serve a smaller request; beyond that too much would lie
// idle.
std::int64_t largest_useful(std::int64_t bytes) {
  return bytes * 2 + 4096;
}

}  // namespace

struct Memory::State {
  mutable std::mutex mutex;
  std::int64_t limit = 0;
  std::int64_t in_use = 0;
  std::int64_t idle_bytes = 0;
  std::int64_t peak = 0;
  std::multimap<std::int64_t, std::byte*> idle;  // by size

  ~State() { free_idle(); }

  void free_idle() {
    for (const auto& [size, block] : idle) std::free(block);
    idle.clear();
    idle_bytes = 0;
  }

  void release(std::byte* block, std::int64_t size) {
    const std::lock_guard lock(mutex);
    in_use -= size;
    idle_bytes += size;
    idle.emplace(size, block);
  }
};

Memory::Memory(std::int64_t limit) : state_(std::make_shared<State>()) {
  state_->limit = limit;
}

std::shared_ptr<std::byte> Memory::allocate(std::int64_t bytes) {
  BANTAM_ASSERT(bytes >= 0);
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (bytes > state.limit - state.in_use) {
    fail("needs {} bytes on top of {} in use, which is over the memory limit of {}", bytes, state.in_use,
         state.limit);
  }
  std::int64_t size = round_up(std::max<std::int64_t>(bytes, 1), static_cast<std::int64_t>(kTensorAlignment));
  std::byte* block = nullptr;
  const auto fit = state.idle.lower_bound(size);
  if (fit != state.idle.end() && fit->first <= largest_useful(size)) {
    size = fit->first;
    block = fit->second;
    state.idle.erase(fit);
    state.idle_bytes -= size;
  } else {
    if (state.in_use + state.idle_bytes + size > state.peak) state.free_idle();
    block = static_cast<std::byte*>(std::aligned_alloc(kTensorAlignment, static_cast<std::size_t>(size)));
    if (block == nullptr) fail("the system has no {} bytes of memory left", size);
  }
  state.in_use += size;
  state.peak = std::max(state.peak, state.in_use);
  return {block, [keep = state_, size](std::byte* released) { keep->release(released, size); }};
}

void Memory::trim() {
  const std::lock_guard lock(state_->mutex);
  state_->free_idle();
}

std::int64_t Memory::in_use() const {
  const std::lock_guard lock(state_->mutex);
  return state_->in_use;
}

std::int64_t Memory::peak() const {
  const std::lock_guard lock(state_->mutex);
  return state_->peak;
}

std::int64_t default_memory_limit() {
  const std::int64_t pages = ::sysconf(_SC_PHYS_PAGES);
  const std::int64_t page = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? pages / 4 * 3 * page : std::int64_t{8} << 30;
}

}  // namespace bantam
