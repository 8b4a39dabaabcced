#include "base/md5_lanes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest_padding.h"
#include "base/error.h"
#include "base/isa.h"

namespace bantam {

namespace isa_v2 {
extern const Md5Blocks kMd5Blocks;
}
#if defined(__x86_64__) || defined(__aarch64__)
namespace isa_v3 {
extern const Md5Blocks kMd5Blocks;
}
#endif
#if defined(__x86_64__)
namespace isa_v4 {
extern const Md5Blocks kMd5Blocks;
}
#endif

namespace {

Md5Blocks md5_blocks() {
  switch (isa()) {
#if defined(__x86_64__)
    case Isa::kV4:
      return isa_v4::kMd5Blocks;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    case Isa::kV3:
      return isa_v3::kMd5Blocks;
#endif
    default:
      return isa_v2::kMd5Blocks;
  }
}

// Blocks that a stream still has to take.
struct Work {
  std::uint32_t* state;
  const std::uint8_t* data;
  std::size_t blocks;
};

// As many blocks of the first kMd5Lanes streams as all of them have.
void run(std::span<Work> work) {
  std::uint32_t state[4][kMd5Lanes] = {};
  const std::uint8_t* data[kMd5Lanes];
  std::size_t count = work[0].blocks;
  for (std::size_t lane = 0; lane < kMd5Lanes; ++lane) {
    const Work& own =
        work[lane < work.size() ? lane : 0];  // an idle lane computes something that is thrown away
    data[lane] = own.data;
    count = std::min(count, own.blocks);
    for (std::size_t word = 0; word < 4; ++word) state[word][lane] = own.state[word];
  }
  md5_blocks()(state, data, work.size(), static_cast<std::int64_t>(count));
  for (std::size_t lane = 0; lane < work.size(); ++lane) {
    for (std::size_t word = 0; word < 4; ++word) work[lane].state[word] = state[word][lane];
    work[lane].data += count * kDigestBlock;
    work[lane].blocks -= count;
  }
}

}  // namespace

Md5Lanes::Stream Md5Lanes::new_stream() {
  return {{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}, 0, {}};
}

Md5Lanes::Md5Lanes(std::size_t streams) {
  for (std::size_t i = 0; i < streams; ++i) streams_.push_back(new_stream());
}

void Md5Lanes::update(std::span<const std::span<const std::byte>> chunks) {
  BANTAM_ASSERT(chunks.size() == streams_.size());
  std::vector<Work> work;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    Stream& stream = streams_[i];
    BANTAM_ASSERT(stream.tail.empty() || chunks[i].empty());
    stream.bytes += chunks[i].size();
    const std::size_t blocks = chunks[i].size() / kDigestBlock;
    const auto rest = chunks[i].subspan(blocks * kDigestBlock);
    stream.tail.insert(stream.tail.end(), rest.begin(), rest.end());
    if (blocks > 0)
      work.push_back({stream.state.data(), reinterpret_cast<const std::uint8_t*>(chunks[i].data()), blocks});
  }
  while (!work.empty()) {
    run(std::span(work).first(std::min(work.size(), kMd5Lanes)));
    std::erase_if(work, [](const Work& w) { return w.blocks == 0; });
  }
}

std::string Md5Lanes::finish(std::size_t stream) {
  Stream ended = std::exchange(streams_.at(stream), new_stream());
  pad_digest(ended.tail, ended.bytes, std::endian::little);
  Work work{ended.state.data(), reinterpret_cast<const std::uint8_t*>(ended.tail.data()),
            ended.tail.size() / kDigestBlock};
  run({&work, 1});
  std::string hex;
  for (const std::uint32_t word : ended.state) {
    for (int shift = 0; shift < 32; shift += 8) hex += fmt::format("{:02x}", (word >> shift) & 0xffu);
  }
  return hex;
}

}  // namespace bantam
