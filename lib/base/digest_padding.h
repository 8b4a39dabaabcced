#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/digest_stream.h"
#include "base/error.h"

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

// Appends chunks[i] to streams[i], but for the whole blocks: those are returned as work. Only the last chunk
// of a stream may end within a block.
template <std::size_t Words>
std::vector<DigestWork> append_chunks(std::span<DigestStream<Words>> streams,
                                      std::span<const std::span<const std::byte>> chunks) {
  std::vector<DigestWork> work;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    DigestStream<Words>& stream = streams[i];
    BANTAM_ASSERT(stream.tail.empty() || chunks[i].empty());
    stream.bytes += chunks[i].size();
    const std::size_t blocks = chunks[i].size() / kDigestBlock;
    const auto rest = chunks[i].subspan(blocks * kDigestBlock);
    stream.tail.insert(stream.tail.end(), rest.begin(), rest.end());
    if (blocks > 0)
      work.push_back({stream.state.data(), reinterpret_cast<const std::uint8_t*>(chunks[i].data()), blocks});
  }
  return work;
}

// Ends a stream: the blocks that are still to be taken. They are the stream's.
template <std::size_t Words>
DigestWork end_stream(DigestStream<Words>& stream, std::endian order) {
  pad_digest(stream.tail, stream.bytes, order);
  return {stream.state.data(), reinterpret_cast<const std::uint8_t*>(stream.tail.data()),
          stream.tail.size() / kDigestBlock};
}

}  // namespace bantam
