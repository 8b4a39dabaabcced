#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/digest_stream.h"

namespace bantam {

// SHA-256 (FIPS 180-4) of several streams at once. With AVX-512, streams in the lanes of vectors take half of
// the time that the x86 SHA instructions need for them; those run one stream at their latency, and two, taken
// in turns, half as fast again. Other processors get OpenSSL's code, one stream after the other.
class Sha256Lanes {
 public:
  explicit Sha256Lanes(std::size_t streams);

  // Appends chunks[i] to stream i. Lengths may differ; a chunk whose length is not a multiple of 64 must be
  // the stream's last.
  void update(std::span<const std::span<const std::byte>> chunks);
  // The digest of a stream in lower-case hex; a new stream begins in its place.
  std::string finish(std::size_t stream);

 private:
  using Stream = DigestStream<8>;
  static Stream new_stream();
  std::vector<Stream> streams_;
  std::vector<Digest> openssl_;  // in place of streams_ where neither kernel below is there
};

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes, FIPS 180-4
// section 4.2.2.
alignas(16) constexpr std::uint32_t kSha256Roots[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// The x86 SHA instructions on one stream, or on two: state[s] takes `count` blocks of 64 bytes from data[s].
struct Sha256Blocks {
  void (*one)(std::uint32_t* const* state, const std::uint8_t* const* data, std::int64_t count);
  void (*two)(std::uint32_t* const* state, const std::uint8_t* const* data, std::int64_t count);
};
// Null where the processor does not have them, or BANTAM_ISA=v2.
const Sha256Blocks* sha256_blocks();

inline constexpr std::size_t kSha256Lanes = 32;
// state[word][lane]; each of the first `lanes` lanes takes `count` blocks of 64 bytes from data[lane]. The
// others compute something from data that must be there, too. For kV4.
using Sha256Vectors = void (*)(std::uint32_t (*state)[kSha256Lanes], const std::uint8_t* const* data,
                               std::size_t lanes, std::int64_t count);

}  // namespace bantam
