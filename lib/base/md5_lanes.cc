#include "base/md5_lanes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/isa.h"

namespace bantam {

namespace isa_v2 { extern const Md5Blocks kMd5Blocks; }
#if defined(__x86_64__) || defined(__aarch64__)
namespace isa_v3 { extern const Md5Blocks kMd5Blocks; }
#endif
#if defined(__x86_64__)
namespace isa_v4 { extern const Md5Blocks kMd5Blocks; }
#endif

namespace {

constexpr std::size_t kBlock = 64;

Md5Blocks md5_blocks() {
  switch (isa()) {
#if defined(__x86_64__)
    case Isa::kV4: return isa_v4::kMd5Blocks;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    case Isa::kV3: return isa_v3::kMd5Blocks;
#endif
    default: return isa_v2::kMd5Blocks;
  }
}

}  // namespace

Md5Lanes::Md5Lanes(std::size_t streams) : streams_(streams) {
  BANTAM_ASSERT(streams <= kMd5Lanes);
  constexpr std::array<std::uint32_t, 4> kInitial = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  for (std::size_t word = 0; word < 4; ++word) state_[word].fill(kInitial[word]);
}

// Runs whole blocks; streams that have no more keep their state.
void Md5Lanes::run(std::span<const std::span<const std::byte>> blocks) {
  std::array<const std::uint8_t*, kMd5Lanes> data{};
  std::array<std::size_t, kMd5Lanes> left{};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    data[i] = reinterpret_cast<const std::uint8_t*>(blocks[i].data());
    left[i] = blocks[i].size() / kBlock;
  }
  for (;;) {
    std::size_t count = 0;
    const std::uint8_t* busy = nullptr;
    for (std::size_t i = 0; i < kMd5Lanes; ++i) {
      if (left[i] == 0) continue;
      count = busy == nullptr ? left[i] : std::min(count, left[i]);
      busy = data[i];
    }
    if (busy == nullptr) return;
    auto saved = state_;
    std::array<const std::uint8_t*, kMd5Lanes> lanes = data;
    for (std::size_t i = 0; i < kMd5Lanes; ++i) {
      if (left[i] == 0) lanes[i] = busy;  // an idle lane computes something that is thrown away
    }
    md5_blocks()(reinterpret_cast<std::uint32_t(*)[kMd5Lanes]>(state_.data()), lanes.data(), static_cast<std::int64_t>(count));
    for (std::size_t i = 0; i < kMd5Lanes; ++i) {
      if (left[i] == 0) {
        for (std::size_t word = 0; word < 4; ++word) state_[word][i] = saved[word][i];
      } else {
        data[i] += count * kBlock;
        left[i] -= count;
      }
    }
  }
}

void Md5Lanes::update(std::span<const std::span<const std::byte>> chunks) {
  BANTAM_ASSERT(chunks.size() == streams_.size());
  std::vector<std::span<const std::byte>> whole(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    Stream& stream = streams_[i];
    BANTAM_ASSERT(stream.tail.empty() || chunks[i].empty());
    stream.bytes += chunks[i].size();
    whole[i] = chunks[i].first(chunks[i].size() / kBlock * kBlock);
    const auto rest = chunks[i].subspan(whole[i].size());
    stream.tail.insert(stream.tail.end(), rest.begin(), rest.end());
  }
  run(whole);
}

std::vector<std::string> Md5Lanes::hex() {
  std::vector<std::span<const std::byte>> last;
  for (Stream& stream : streams_) {
    stream.tail.push_back(std::byte{0x80});
    while (stream.tail.size() % kBlock != 56) stream.tail.push_back(std::byte{0});
    for (int shift = 0; shift < 64; shift += 8) stream.tail.push_back(static_cast<std::byte>(stream.bytes * 8 >> shift));
    last.emplace_back(stream.tail);
  }
  run(last);
  std::vector<std::string> digests(streams_.size());
  for (std::size_t i = 0; i < digests.size(); ++i) {
    for (std::size_t word = 0; word < 4; ++word) {
      for (int shift = 0; shift < 32; shift += 8) digests[i] += fmt::format("{:02x}", (state_[word][i] >> shift) & 0xffu);
    }
  }
  return digests;
}

}  // namespace bantam
