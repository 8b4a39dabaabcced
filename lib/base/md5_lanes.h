#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bantam {

inline constexpr std::size_t kMd5Lanes = 16;

// MD5 (RFC 1321) of up to 16 streams at once, one vector lane each. MD5 is a chain of dependent steps: one stream runs
// at the latency of an adder, sixteen run at its throughput. Bundles hold many shards of one size, and MLC's index
// wants the MD5 of each; with one stream at a time this was the longest part of a conversion.
class Md5Lanes {
 public:
  explicit Md5Lanes(std::size_t streams);

  // Appends chunks[i] to stream i. Lengths may differ; a chunk whose length is not a multiple of 64 must be the
  // stream's last.
  void update(std::span<const std::span<const std::byte>> chunks);
  // The digests in lower-case hex; ends the streams.
  std::vector<std::string> hex();

 private:
  struct Stream {
    std::uint64_t bytes = 0;
    std::vector<std::byte> tail;  // less than a block
  };
  void run(std::span<const std::span<const std::byte>> blocks);
  std::array<std::array<std::uint32_t, kMd5Lanes>, 4> state_;
  std::vector<Stream> streams_;
};

// state[word][lane]; lane i takes `count` blocks of 64 bytes from data[i].
using Md5Blocks = void (*)(std::uint32_t (*state)[kMd5Lanes], const std::uint8_t* const* data, std::int64_t count);

}  // namespace bantam
