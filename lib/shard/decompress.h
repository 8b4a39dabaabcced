#pragma once

#include "shard/compress.h"

namespace bantam {

// Compression::decompress of the two formats. Constant memory.
void gunzip(const std::filesystem::path& from, std::int64_t max_bytes, const ByteSink& sink);
void unzstd(const std::filesystem::path& from, std::int64_t max_bytes, const ByteSink& sink);

}  // namespace bantam
