// Runs a model with the native runtime on recorded inputs and records what it gives:
//   bantam_run_model [--unfused] [--reference] [--fp16] [--nbits float|int8] MODEL.onnx FOLDER...
// Each folder holds input_0.pb, ... (serialized TensorProtos, numbered as the graph lists its inputs) and
// receives native_0.pb, ...
#include <onnx.pb.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/model_case.h"

namespace fs = std::filesystem;
using namespace bantam;

namespace {

void write(const fs::path& path, const Tensor& tensor) {
  onnx::TensorProto proto;
  proto.set_data_type(static_cast<onnx::TensorProto::DataType>(info(tensor.dtype()).onnx));
  for (const std::int64_t dim : tensor.shape()) proto.add_dims(dim);
  proto.set_raw_data(tensor.bytes().data(), tensor.bytes().size());
  std::ofstream file(path, std::ios::binary);
  if (!proto.SerializeToOstream(&file) || !file.flush()) fail("{}: cannot be written", path.string());
}

void run(const std::string& model, const std::vector<std::string>& folders, const SessionOptions& options) {
  const Session session = Session::open(model, options);
  for (const fs::path folder : folders) {
    Tensors inputs;
    for (std::size_t i = 0; i < session.inputs().size(); ++i) {
      const IoSpec& input = session.inputs()[i];
      inputs[input.name] =
          testing_support::read_recorded(folder / fmt::format("input_{}.pb", i), input.dtype);
    }
    const Tensors outputs = session.run(inputs);
    for (std::size_t i = 0; i < session.outputs().size(); ++i)
      write(folder / fmt::format("native_{}.pb", i), outputs.at(session.outputs()[i].name));
  }
}

}  // namespace

int main(int argc, char** argv) {
  SessionOptions options;
  options.threads = 2;
  std::vector<std::string> paths;
  const std::vector<std::string> words(argv + 1, argv + argc);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--unfused") {
      options.fuse = false;
    } else if (words[i] == "--reference") {
      options.reference_kernels = true;
    } else if (words[i] == "--fp16") {
      options.emulate_fp16 = true;
    } else if (words[i] == "--nbits" && i + 1 < words.size()) {
      options.nbits = words[++i] == "int8" ? NbitsMode::kInt8 : NbitsMode::kFloat;
    } else {
      paths.push_back(words[i]);
    }
  }
  if (paths.size() < 2) return 2;
  try {
    run(paths[0], {paths.begin() + 1, paths.end()}, options);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    return 1;
  }
  return 0;
}
