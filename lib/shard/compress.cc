#include "shard/compress.h"

#include <zlib.h>
#include <zstd.h>

#include <array>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "shard/decompress.h"

namespace bantam {
namespace {

constexpr std::int64_t kChunk = 1 << 20;

// Reads `from` in chunks; `step(chunk, last)` returns compressed bytes, which are appended to `to`.
template <typename Step>
void stream(const std::filesystem::path& from, const std::filesystem::path& to, Step step) {
  const File in = File::open_read(from);
  const File out = File::create(to);
  const std::int64_t size = in.size();
  std::vector<std::byte> chunk;
  std::int64_t written = 0;
  for (std::int64_t offset = 0; offset == 0 || offset < size; offset += kChunk) {
    check_cancelled();
    chunk.resize(static_cast<std::size_t>(std::min(kChunk, size - offset)));
    in.read_at(offset, chunk);
    const std::span<const std::byte> packed =
        step(std::span<const std::byte>(chunk), offset + kChunk >= size);
    out.write_at(written, packed);
    written += std::ssize(packed);
  }
}

void gzip(const std::filesystem::path& from, const std::filesystem::path& to) {
  z_stream state{};
  // 15 + 16: the largest window, gzip framing; no name and no time in the header.
  BANTAM_ASSERT(deflateInit2(&state, 6, Z_DEFLATED, 15 + 16, 9, Z_HUFFMAN_ONLY) == Z_OK);
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&state, deflateEnd);
  std::vector<std::byte> packed;
  stream(from, to, [&](std::span<const std::byte> chunk, bool last) {
    packed.resize(deflateBound(&state, chunk.size()) + 64);
    state.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(chunk.data()));
    state.avail_in = static_cast<uInt>(chunk.size());
    state.next_out = reinterpret_cast<Bytef*>(packed.data());
    state.avail_out = static_cast<uInt>(packed.size());
    const int result = deflate(&state, last ? Z_FINISH : Z_SYNC_FLUSH);
    BANTAM_ASSERT(result == (last ? Z_STREAM_END : Z_OK));
    return std::span<const std::byte>(packed).first(packed.size() - state.avail_out);
  });
}

void zstd(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  BANTAM_ASSERT(context != nullptr);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, 3);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::vector<std::byte> packed;
  stream(from, to, [&](std::span<const std::byte> chunk, bool last) {
    packed.resize(ZSTD_compressBound(chunk.size()) + 256);
    ZSTD_inBuffer in{chunk.data(), chunk.size(), 0};
    ZSTD_outBuffer out{packed.data(), packed.size(), 0};
    std::size_t left = 0;
    do {
      left = ZSTD_compressStream2(context.get(), &out, &in, last ? ZSTD_e_end : ZSTD_e_flush);
      if (ZSTD_isError(left)) fail("{}: zstd: {}", from.string(), ZSTD_getErrorName(left));
      if (left > 0) {
        packed.resize(packed.size() * 2);
        out.dst = packed.data();
        out.size = packed.size();
      }
    } while (left > 0);
    return std::span<const std::byte>(packed).first(out.pos);
  });
}

// Stored blocks at worst, and a flush per chunk.
std::int64_t bound(std::int64_t bytes) {
  return bytes + bytes / 128 + 4096;
}

constexpr std::array<Compression, 2> kTable = {{
    {"zstd", ".zst", "for servers that answer with Content-Encoding: zstd", bound, zstd, unzstd},
    {"gzip", ".gz", "Huffman-only gzip, which every browser decodes natively", bound, gzip, gunzip},
}};

}  // namespace

std::span<const Compression> compressions() {
  return kTable;
}

}  // namespace bantam
