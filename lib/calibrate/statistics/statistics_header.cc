#include "calibrate/statistics/statistics_header.h"

#include <cstring>

#include "base/digest.h"
#include "base/error.h"
#include "calibrate/statistics/statistics_file.h"

namespace bantam {
namespace {

constexpr std::string_view kMagic = "BANTSTAT";

template <typename T>
T at(const std::array<std::byte, kStatisticsHeader>& header, std::size_t offset) {
  T value{};
  std::memcpy(&value, header.data() + offset, sizeof(value));
  return value;
}

std::array<std::byte, 32> digest_of(std::string_view index) {
  const std::string hex = sha256_hex(std::as_bytes(std::span(index)));
  std::array<std::byte, 32> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

}  // namespace

std::array<std::byte, kStatisticsHeader> statistics_header(std::int64_t index_offset,
                                                           std::string_view index) {
  std::array<std::byte, kStatisticsHeader> header{};
  const std::uint64_t places[] = {static_cast<std::uint64_t>(index_offset), index.size()};
  const std::array<std::byte, 32> digest = digest_of(index);
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  std::memcpy(header.data() + 8, &kStatisticsVersion, sizeof(kStatisticsVersion));
  std::memcpy(header.data() + 16, places, sizeof(places));
  std::memcpy(header.data() + 32, digest.data(), digest.size());
  return header;
}

IndexPlace parse_statistics_header(const std::array<std::byte, kStatisticsHeader>& header,
                                   std::int64_t file_bytes) {
  if (std::memcmp(header.data(), kMagic.data(), kMagic.size()) != 0) {
    fail("is not a file of statistics; bantam calibrate makes one");
  }
  const auto version = at<std::uint32_t>(header, 8);
  if (version != kStatisticsVersion) {
    fail("is of version {} of the format; this bantam reads version {}: run bantam calibrate again", version,
         kStatisticsVersion);
  }
  const auto offset = at<std::uint64_t>(header, 16), bytes = at<std::uint64_t>(header, 24);
  const auto size = static_cast<std::uint64_t>(file_bytes);
  if (offset < kStatisticsHeader || offset > size || bytes != size - offset ||
      at<std::uint32_t>(header, 12) != 0) {
    fail("is damaged: its index does not end where the file does");
  }
  if (bytes > static_cast<std::uint64_t>(kLargestIndex)) fail("is damaged: an index of {} bytes", bytes);
  return {static_cast<std::int64_t>(offset), static_cast<std::int64_t>(bytes)};
}

void check_index(const std::array<std::byte, kStatisticsHeader>& header, std::string_view index) {
  const std::array<std::byte, 32> digest = digest_of(index);
  if (std::memcmp(header.data() + 32, digest.data(), digest.size()) != 0)
    fail("is damaged: its index has changed");
}

bool has(const Collected& collected, StatisticsKind kind) {
  switch (kind) {
    case StatisticsKind::kRanges:
      return collected.ranges;
    case StatisticsKind::kMoments:
      return collected.moments;
    case StatisticsKind::kHessians:
      return collected.hessians;
  }
  return false;
}

void set(Collected& collected, StatisticsKind kind) {
  switch (kind) {
    case StatisticsKind::kRanges:
      collected.ranges = true;
      break;
    case StatisticsKind::kMoments:
      collected.moments = true;
      break;
    case StatisticsKind::kHessians:
      collected.hessians = true;
      break;
  }
}

}  // namespace bantam
