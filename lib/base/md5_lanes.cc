#include "base/md5_lanes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest_padding.h"
#include "base/error.h"
#include "base/isa_table.h"

namespace bantam {

BANTAM_ISA_TABLE(Md5Blocks, kMd5Blocks, md5_blocks)

namespace {

using Work = DigestWork;

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
  std::vector<Work> work = append_chunks(std::span(streams_), chunks);
  while (!work.empty()) {
    run(std::span(work).first(std::min(work.size(), kMd5Lanes)));
    std::erase_if(work, [](const Work& w) { return w.blocks == 0; });
  }
}

std::string Md5Lanes::finish(std::size_t stream) {
  Stream ended = std::exchange(streams_.at(stream), new_stream());
  Work work = end_stream(ended, std::endian::little);
  run({&work, 1});
  std::string hex;
  for (const std::uint32_t word : ended.state) {
    for (int shift = 0; shift < 32; shift += 8) hex += fmt::format("{:02x}", (word >> shift) & 0xffu);
  }
  return hex;
}

}  // namespace bantam
