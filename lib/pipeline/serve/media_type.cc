#include "pipeline/serve/media_type.h"

#include <array>

namespace bantam {
namespace {

struct MediaType {
  std::string_view extension, type;
};
constexpr std::array<MediaType, 22> kTypes = {{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".cjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".jsonl", "application/x-ndjson"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".wasm", "application/wasm"},
    {".md", "text/markdown; charset=utf-8"},
    {".txt", "text/plain; charset=utf-8"},
    {".jinja", "text/plain; charset=utf-8"},
    {"SHA256SUMS", "text/plain; charset=utf-8"},
    {"LICENSE", "text/plain; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".ico", "image/x-icon"},
    {".wav", "audio/wav"},
    {".gz", "application/gzip"},
    {".zst", "application/zstd"},
}};

}  // namespace

std::string_view media_type(std::string_view file_name) {
  for (const MediaType& entry : kTypes) {
    if (file_name.ends_with(entry.extension)) return entry.type;
  }
  return "application/octet-stream";
}

}  // namespace bantam
