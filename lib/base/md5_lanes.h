#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/digest_stream.h"

namespace bantam {

inline constexpr std::size_t kMd5Lanes = 32;

// MD5 (RFC 1321) of several streams at once, one vector lane each. MD5 is a chain of dependent steps: one
// stream runs at the latency of an adder, kMd5Lanes run at its throughput. Bundles hold many shards of one
// size, and MLC's index wants the MD5 of each; with one stream at a time this was the longest part of a
// conversion.
class Md5Lanes {
 public:
  explicit Md5Lanes(std::size_t streams);

  // Appends chunks[i] to stream i. Lengths may differ; a chunk whose length is not a multiple of 64 must be
  // the stream's last.
  void update(std::span<const std::span<const std::byte>> chunks);
  // The digest of a stream in lower-case hex; a new stream begins in its place.
  std::string finish(std::size_t stream);

 private:
  using Stream = DigestStream<4>;
  static Stream new_stream();
  std::vector<Stream> streams_;
};

// state[word][lane]; each of the first `lanes` lanes takes `count` blocks of 64 bytes from data[lane]. The
// others compute something from data that must be there, too.
using Md5Blocks = void (*)(std::uint32_t (*state)[kMd5Lanes], const std::uint8_t* const* data,
                           std::size_t lanes, std::int64_t count);

}  // namespace bantam
