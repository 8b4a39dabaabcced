// bantam_encode_floats FLOATS ROWS WIDTH CODEC OUT: encodes ROWS x WIDTH raw little-endian floats and writes
// every part to OUT<suffix>, for tests/oracle/codecs_onnx.py. CODEC is int8, uint8 or
// BITS/BLOCK/sym|asym/matmul|gather.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "quantize/codec.h"

namespace bantam {
namespace {

CodecPtr parse_codec(const std::string& text) {
  if (text == "int8") return int8_channel_codec();
  if (text == "uint8") return uint8_channel_codec();
  BlockwiseOptions options;
  char symmetry[8] = "", layout[8] = "";
  if (std::sscanf(text.c_str(), "%d/%d/%5[a-z]/%6[a-z]", &options.bits, &options.block_size, symmetry, layout) != 4) {
    fail_usage("{}: no codec", text);
  }
  options.symmetric = std::strcmp(symmetry, "sym") == 0;
  options.layout = std::strcmp(layout, "gather") == 0 ? BlockLayout::kGather : BlockLayout::kMatMul;
  return blockwise_codec(options);
}

void encode_floats(char** arguments) {
  const std::int64_t rows = std::stoll(arguments[2]), width = std::stoll(arguments[3]);
  std::vector<float> values(static_cast<std::size_t>(rows * width));
  File::open_read(arguments[1]).read_at(0, std::as_writable_bytes(std::span(values)));
  const CodecPtr codec = parse_codec(arguments[4]);
  const std::vector<PartSpec> specs = codec->parts({"weight", DType::kF32, {rows, width}});
  std::vector<std::vector<std::byte>> bytes;
  for (const PartSpec& spec : specs) bytes.emplace_back(static_cast<std::size_t>(spec.bytes()));
  codec->encode(values, width, std::vector<std::span<std::byte>>(bytes.begin(), bytes.end()));
  for (std::size_t i = 0; i < specs.size(); ++i) {
    File::create(arguments[5] + specs[i].suffix).write_at(0, bytes[i]);
  }
}

}  // namespace
}  // namespace bantam

int main(int count, char** arguments) {
  if (count != 6) {
    std::fputs("usage: bantam_encode_floats FLOATS ROWS WIDTH CODEC OUT\n", stderr);
    return 2;
  }
  try {
    bantam::encode_floats(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
