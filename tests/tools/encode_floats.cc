// bantam_encode_floats FLOATS ROWS WIDTH CODEC OUT [HESSIAN]: encodes ROWS x WIDTH raw little-endian floats
// and writes every part to OUT<suffix>, for tests/oracle/codecs_onnx.py and methods.py. CODEC is int8, uint8
// or BITS/BLOCK/sym|asym/matmul|gather[/METHOD]; METHOD is hqq, or weighted or gptq:PASSES, which read
// HESSIAN, WIDTH x WIDTH floats.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "quantize/codec.h"
#include "quantize/methods/methods.h"
#include "tests/quantize/known_input.h"

namespace bantam {
namespace {

std::vector<float> read_floats(const char* path, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  File::open_read(path).read_at(0, std::as_writable_bytes(std::span(values)));
  return values;
}

CodecPtr parse_codec(const std::string& text, std::int64_t width, const char* hessian) {
  if (text == "int8") return int8_channel_codec();
  if (text == "uint8") return uint8_channel_codec();
  BlockwiseOptions options;
  char symmetry[8] = "", layout[8] = "", method[16] = "";
  if (std::sscanf(text.c_str(), "%d/%d/%5[a-z]/%6[a-z]/%15s", &options.bits, &options.block_size, symmetry,
                  layout, method) < 4) {
    fail_usage("{}: no codec", text);
  }
  options.symmetric = std::strcmp(symmetry, "sym") == 0;
  options.layout = std::strcmp(layout, "gather") == 0 ? BlockLayout::kGather : BlockLayout::kMatMul;
  const std::string wanted = method;
  if (wanted.empty()) return blockwise_codec(options);
  if (wanted == "hqq") return hqq_codec(options);
  const auto input = std::make_shared<testing::KnownInput>(width, read_floats(hessian, width * width));
  if (wanted == "weighted") return weighted_codec(options, input);
  return gptq_codec(options, input, std::make_shared<FactorCache>(1 << 30),
                    std::stoi(wanted.substr(wanted.find(':') + 1)));
}

void encode_floats(char** arguments) {
  const std::int64_t rows = std::stoll(arguments[2]), width = std::stoll(arguments[3]);
  const std::vector<float> values = read_floats(arguments[1], rows * width);
  const CodecPtr codec = parse_codec(arguments[4], width, arguments[6]);
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
  if (count != 6 && count != 7) {
    std::fputs("usage: bantam_encode_floats FLOATS ROWS WIDTH CODEC OUT [HESSIAN]\n", stderr);
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
