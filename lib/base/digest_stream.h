#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bantam {

// One of several streams that are digested side by side (MD5, SHA-256): 64-byte blocks change `state`, and
// what is left of the last one waits in `tail`.
template <std::size_t Words>
struct DigestStream {
  std::array<std::uint32_t, Words> state;
  std::uint64_t bytes = 0;
  std::vector<std::byte> tail;  // less than a block
};

// Blocks that a stream still has to take.
struct DigestWork {
  std::uint32_t* state;
  const std::uint8_t* data;
  std::size_t blocks;
};

}  // namespace bantam
