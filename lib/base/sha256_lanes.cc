#include "base/sha256_lanes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest_padding.h"
#include "base/error.h"
#include "base/isa.h"

namespace bantam {

#if defined(__x86_64__)
namespace isa_v4 {
extern const Sha256Vectors kSha256Vectors;
}
#endif

namespace {

// Fewer streams are faster by the SHA instructions.
constexpr std::size_t kWorthAVector = 11;

Sha256Vectors sha256_vectors() {
#if defined(__x86_64__)
  if (isa() == Isa::kV4) return isa_v4::kSha256Vectors;
#endif
  return nullptr;
}

using Work = DigestWork;

// As many blocks as all of these streams have.
void run_vector(std::span<const Work> work, std::size_t count) {
  std::uint32_t state[8][kSha256Lanes];
  const std::uint8_t* data[kSha256Lanes];
  for (std::size_t lane = 0; lane < kSha256Lanes; ++lane) {
    const Work& own =
        work[lane < work.size() ? lane : 0];  // an idle lane computes something that is thrown away
    data[lane] = own.data;
    for (std::size_t word = 0; word < 8; ++word) state[word][lane] = own.state[word];
  }
  sha256_vectors()(state, data, work.size(), static_cast<std::int64_t>(count));
  for (std::size_t lane = 0; lane < work.size(); ++lane) {
    for (std::size_t word = 0; word < 8; ++word) work[lane].state[word] = state[word][lane];
  }
}

void run_blocks(std::span<const Work> work, std::size_t count) {
  std::uint32_t* const states[2] = {work.front().state, work.back().state};
  const std::uint8_t* const data[2] = {work.front().data, work.back().data};
  (work.size() == 2 ? sha256_blocks()->two : sha256_blocks()->one)(states, data,
                                                                   static_cast<std::int64_t>(count));
}

// Takes from the end, so that a stream that is done makes place for another.
void run(std::vector<Work> work) {
  while (!work.empty()) {
    const bool vector =
        sha256_blocks() == nullptr || (sha256_vectors() != nullptr && work.size() >= kWorthAVector);
    const auto next = std::span(work).last(std::min(work.size(), vector ? kSha256Lanes : 2));
    std::size_t count = next[0].blocks;
    for (const Work& one : next) count = std::min(count, one.blocks);
    if (vector)
      run_vector(next, count);
    else
      run_blocks(next, count);
    for (Work& one : next) {
      one.data += count * kDigestBlock;
      one.blocks -= count;
    }
    std::erase_if(work, [](const Work& one) { return one.blocks == 0; });
  }
}

}  // namespace

Sha256Lanes::Stream Sha256Lanes::new_stream() {
  return {{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
          0,
          {}};
}

Sha256Lanes::Sha256Lanes(std::size_t streams) {
  const bool own = sha256_vectors() != nullptr || sha256_blocks() != nullptr;
  for (std::size_t i = 0; i < streams; ++i) {
    if (own)
      streams_.push_back(new_stream());
    else
      openssl_.push_back(Digest::sha256());
  }
}

void Sha256Lanes::update(std::span<const std::span<const std::byte>> chunks) {
  BANTAM_ASSERT(chunks.size() == streams_.size() + openssl_.size());
  for (std::size_t i = 0; i < openssl_.size(); ++i) openssl_[i].update(chunks[i]);
  std::vector<Work> work = append_chunks(std::span(streams_), chunks);
  run(std::move(work));
}

std::string Sha256Lanes::finish(std::size_t stream) {
  if (!openssl_.empty()) return std::exchange(openssl_.at(stream), Digest::sha256()).hex();
  Stream ended = std::exchange(streams_.at(stream), new_stream());
  run({end_stream(ended, std::endian::big)});
  std::string hex;
  for (const std::uint32_t word : ended.state) hex += fmt::format("{:08x}", word);
  return hex;
}

}  // namespace bantam
