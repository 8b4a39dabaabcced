#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bantam {

inline constexpr std::size_t kDigestBlock = 64;

// Ends a stream of `bytes` bytes whose last, incomplete block is `tail`: a one bit, zeros, and the length in
// bits as 64-bit number fill it up to whole blocks. MD5 stores the length with its low byte first, SHA-256
// with its high byte.
inline void pad_digest(std::vector<std::byte>& tail, std::uint64_t bytes, std::endian order) {
  tail.push_back(std::byte{0x80});
  while (tail.size() % kDigestBlock != kDigestBlock - 8) tail.push_back(std::byte{0});
  for (int i = 0; i < 64; i += 8) {
    const int shift = order == std::endian::little ? i : 56 - i;
    tail.push_back(static_cast<std::byte>(bytes * 8 >> shift));
  }
}

}  // namespace bantam
