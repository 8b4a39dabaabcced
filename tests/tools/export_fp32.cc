// bantam_export_fp32 CHECKPOINT OUT: the checkpoint's float32 graph as OUT/onnx/model.onnx and
// model.onnx_data, for tests/oracle/golden_onnx.py. A tool of the tests: no quantization, no shards, weights
// in memory one at a time.
#include <cstdio>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "convert/architecture.h"
#include "convert/checkpoint.h"
#include "graph/onnx_export.h"

namespace bantam {
namespace {

void export_fp32(const std::string& source, const std::filesystem::path& out) {
  const ModelGraph model = build_model(open_checkpoint(source), std::nullopt);
  model.graph.check();
  const std::filesystem::path folder = out / "onnx";
  std::filesystem::create_directories(folder);
  for (const char* file : {"model.onnx", "model.onnx_data"}) std::filesystem::remove(folder / file);
  const File data = File::create(folder / "model.onnx_data");
  std::vector<ExternalLocation> locations;
  std::int64_t end = 0;
  for (const Weight& weight : model.graph.weights) {
    const std::vector<float> values = read_all_as_float(*weight.source);
    const auto bytes = std::as_bytes(std::span(values));
    data.write_at(end, bytes);
    locations.push_back({"model.onnx_data", end, std::ssize(bytes)});
    end += std::ssize(bytes);
  }
  const auto location = [&](std::size_t weight, std::size_t) { return locations[weight]; };
  write_text_file(folder / "model.onnx", export_onnx(model.graph, "test", location));
  std::printf("%s %s\n", model.family.c_str(), std::string(name(model.task)).c_str());
  for (const std::string& note : model.notes) std::printf("  %s\n", note.c_str());
}

}  // namespace
}  // namespace bantam

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: bantam_export_fp32 CHECKPOINT OUT\n");
    return 2;
  }
  try {
    bantam::export_fp32(argv[1], argv[2]);
  } catch (const bantam::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
