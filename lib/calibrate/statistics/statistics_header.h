#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "calibrate/statistics/statistics_data.h"

namespace bantam {

// The first 64 bytes of a file of statistics, little-endian:
//   0  "BANTSTAT"   8  uint32 version   12  uint32 0   16  uint64 offset of the index   24  uint64 its bytes
//   32 SHA-256 of the index (32 bytes)
inline constexpr std::int64_t kStatisticsHeader = 64;
inline constexpr std::int64_t kStatisticsAlignment = 64;  // of tensors and index
inline constexpr std::int64_t kLargestIndex = std::int64_t{64} << 20;

std::array<std::byte, kStatisticsHeader> statistics_header(std::int64_t index_offset, std::string_view index);

struct IndexPlace {
  std::int64_t offset = 0, bytes = 0;
};
// Checks magic, version and bounds against the size of the file.
IndexPlace parse_statistics_header(const std::array<std::byte, kStatisticsHeader>& header,
                                   std::int64_t file_bytes);
// Checks the digest of the index.
void check_index(const std::array<std::byte, kStatisticsHeader>& header, std::string_view index);

bool has(const Collected& collected, StatisticsKind kind);
void set(Collected& collected, StatisticsKind kind);

}  // namespace bantam
