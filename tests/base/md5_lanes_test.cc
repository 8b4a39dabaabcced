#include "base/md5_lanes.h"

#include <gtest/gtest.h>

#include <random>

#include "base/digest.h"

namespace bantam {
namespace {

TEST(Md5Lanes, EqualsOpensslForStreamsOfDifferentLengths) {
  std::mt19937 random(5);
  for (const std::size_t streams : {std::size_t{1}, std::size_t{3}, std::size_t{17}, kMd5Lanes + 5}) {
    Md5Lanes lanes(streams);
    std::vector<std::vector<std::byte>> data(streams);
    for (std::size_t i = 0; i < streams; ++i) {
      data[i].resize(i == 0 ? 0 : 55 + 14 * i * i);
      for (std::byte& byte : data[i]) byte = static_cast<std::byte>(random());
    }
    for (std::size_t begin = 0; begin < 40'000; begin += 4096) {
      std::vector<std::span<const std::byte>> chunks;
      for (const auto& bytes : data) {
        const std::size_t from = std::min(begin, bytes.size());
        chunks.push_back(std::span(bytes).subspan(from, std::min<std::size_t>(4096, bytes.size() - from)));
      }
      lanes.update(chunks);
    }
    for (std::size_t i = 0; i < streams; ++i) {
      Digest expected = Digest::md5();
      expected.update(data[i]);
      EXPECT_EQ(lanes.finish(i), expected.hex()) << streams << " streams, stream " << i;
    }
  }
}

TEST(Md5Lanes, KnowsTheTestSuiteOfRfc1321) {
  Md5Lanes lanes(2);
  const std::string abc = "abc";
  const std::vector<std::span<const std::byte>> chunks = {{}, std::as_bytes(std::span(abc))};
  lanes.update(chunks);
  EXPECT_EQ(lanes.finish(0), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(lanes.finish(1), "900150983cd24fb0d6963f7d28e17f72");
}

}  // namespace
}  // namespace bantam
