#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <vector>

namespace bantam {

// Random bytes for so many streams of different lengths, stream `empty` has none.
inline std::vector<std::vector<std::byte>> random_streams(std::size_t streams, std::size_t empty,
                                                          std::size_t growth, std::mt19937& random) {
  std::vector<std::vector<std::byte>> data(streams);
  for (std::size_t i = 0; i < streams; ++i) {
    data[i].resize(i == empty ? 0 : 55 + growth * i * i);
    for (std::byte& byte : data[i]) byte = static_cast<std::byte>(random());
  }
  return data;
}

// Hands the streams to Md5Lanes or Sha256Lanes in pieces of 4 KiB; shorter ones end earlier.
template <typename Lanes>
void update_in_pieces(Lanes& lanes, const std::vector<std::vector<std::byte>>& data) {
  std::size_t longest = 0;
  for (const auto& bytes : data) longest = std::max(longest, bytes.size());
  for (std::size_t begin = 0; begin < longest; begin += 4096) {
    std::vector<std::span<const std::byte>> chunks;
    for (const auto& bytes : data) {
      const std::size_t from = std::min(begin, bytes.size());
      chunks.push_back(std::span(bytes).subspan(from, std::min<std::size_t>(4096, bytes.size() - from)));
    }
    lanes.update(chunks);
  }
}

}  // namespace bantam
