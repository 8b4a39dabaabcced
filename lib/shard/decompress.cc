#include "shard/decompress.h"

#include <zlib.h>
#include <zstd.h>

#include <memory>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"

namespace bantam {
namespace {

constexpr std::int64_t kChunk = 256 << 10;

// What both formats have in common: pieces go in, pieces come out, and the end must be the end of the file.
// `step` takes from the front of its first argument, fills the second, and says how many bytes it wrote and
// whether that was the end.
struct Step {
  std::size_t taken = 0, written = 0;
  bool ended = false;
};

template <typename Advance>
void decode(const std::filesystem::path& from, std::int64_t max_bytes, const ByteSink& sink,
            Advance advance) {
  const File file = File::open_read(from);
  const std::int64_t size = file.size();
  std::vector<std::byte> in, out(static_cast<std::size_t>(kChunk));
  std::int64_t total = 0;
  bool ended = false;
  for (std::int64_t offset = 0; offset < size; offset += kChunk) {
    check_cancelled();
    in.resize(static_cast<std::size_t>(std::min(kChunk, size - offset)));
    file.read_at(offset, in);
    std::span<const std::byte> rest = in;
    while (true) {
      if (ended && !rest.empty()) fail("{}: bytes after the end of the compressed data", from.string());
      if (ended) break;
      const Step step = with_context(from.string(), [&] { return advance(rest, std::span(out)); });
      rest = rest.subspan(step.taken);
      total += static_cast<std::int64_t>(step.written);
      if (total > max_bytes) fail("{}: decodes to more than {} bytes", from.string(), max_bytes);
      sink(std::span<const std::byte>(out).first(step.written));
      ended = step.ended;
      // A full buffer may hold more back; a buffer that is not full means that more input is needed.
      if (!ended && rest.empty() && step.written < out.size()) break;
    }
  }
  if (!ended) fail("{}: the compressed data ends early", from.string());
}

}  // namespace

void gunzip(const std::filesystem::path& from, std::int64_t max_bytes, const ByteSink& sink) {
  z_stream state{};
  BANTAM_ASSERT(inflateInit2(&state, 15 + 16) == Z_OK);
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&state, inflateEnd);
  decode(from, max_bytes, sink, [&](std::span<const std::byte> in, std::span<std::byte> out) {
    state.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
    state.avail_in = static_cast<uInt>(in.size());
    state.next_out = reinterpret_cast<Bytef*>(out.data());
    state.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&state, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
      fail("is damaged: it is not valid gzip");
    return Step{in.size() - state.avail_in, out.size() - state.avail_out, result == Z_STREAM_END};
  });
}

void unzstd(const std::filesystem::path& from, std::int64_t max_bytes, const ByteSink& sink) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  BANTAM_ASSERT(context != nullptr);
  decode(from, max_bytes, sink, [&](std::span<const std::byte> in, std::span<std::byte> out) {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    const std::size_t left = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(left)) fail("is damaged: zstd: {}", ZSTD_getErrorName(left));
    return Step{input.pos, output.pos, left == 0};
  });
}

}  // namespace bantam
