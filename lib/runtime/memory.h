#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace bantam {

// Alignment of every block: a cache line and the widest vector register.
inline constexpr std::size_t kTensorAlignment = 64;

// Hands out memory for tensors, takes it back and reuses it, and holds to a limit: a model cannot make the
// process allocate more than that. Blocks may outlive the Memory and may be released by any thread.
// Thread-safe.
class Memory {
 public:
  explicit Memory(std::int64_t limit);

  // `bytes` uninitialised bytes. Error when the live blocks would exceed the limit or the system refuses.
  std::shared_ptr<std::byte> allocate(std::int64_t bytes);
  // Gives blocks that nobody uses back to the system.
  void trim();

  std::int64_t in_use() const;  // bytes of live blocks
  std::int64_t peak() const;    // the most that in_use() has been

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// What a Memory should be limited to by default: three quarters of the machine's memory.
std::int64_t default_memory_limit();

}  // namespace bantam
