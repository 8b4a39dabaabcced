#include "base/sha256_lanes.h"

#include <gtest/gtest.h>

#include <random>

#include "base/digest.h"
#include "tests/base/lane_streams.h"

namespace bantam {
namespace {

TEST(Sha256Lanes, EqualsOpensslForStreamsOfDifferentLengths) {
  std::mt19937 random(6);
  for (const std::size_t streams : {1, 2, 3, 12, 37}) {
    Sha256Lanes lanes(streams);
    const auto data = random_streams(streams, 1, 27, random);
    update_in_pieces(lanes, data);
    for (std::size_t i = 0; i < streams; ++i) {
      EXPECT_EQ(lanes.finish(i), sha256_hex(data[i])) << streams << " streams, stream " << i;
    }
  }
}

TEST(Sha256Lanes, BeginsANewStreamWhereOneEnded) {
  const std::string abc = "abc", longer(119, 'x');
  const auto bytes = [](const std::string& text) { return std::as_bytes(std::span(text)); };
  Sha256Lanes lanes(2);
  lanes.update(std::vector<std::span<const std::byte>>{bytes(abc), bytes(longer).first(64)});
  EXPECT_EQ(lanes.finish(0),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-2, B.1
  lanes.update(std::vector<std::span<const std::byte>>{{}, bytes(longer).subspan(64)});
  EXPECT_EQ(lanes.finish(0), sha256_hex({}));
  EXPECT_EQ(lanes.finish(1), sha256_hex(bytes(longer)));
}

// Every length around the boundaries of the padding.
TEST(Sha256Lanes, PadsEveryLengthAsOpensslDoes) {
  Sha256Lanes lanes(1);
  for (std::size_t length = 0; length < 200; ++length) {
    const std::vector<std::byte> data(length, std::byte{0xa5});
    lanes.update(std::vector<std::span<const std::byte>>{data});
    EXPECT_EQ(lanes.finish(0), sha256_hex(data)) << length;
  }
}

}  // namespace
}  // namespace bantam
