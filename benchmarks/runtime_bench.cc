// Runs a model as often as it is told: benchmarks/runtime.py drives it beside onnxruntime, taking turns.
//   runtime_bench THREADS MODEL.onnx
// Commands on stdin, one a line: "load FOLDER" (input_0.pb, ... in the graph's order), "run" (answers with
// the nanoseconds of one run), "peak" (answers with the session's own count of bytes at its peak), "profile"
// (time per op type of all runs so far).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>

#include "base/error.h"
#include "graph/onnx_tensor.h"
#include "runtime/session.h"

namespace fs = std::filesystem;
using namespace bantam;

namespace {

Tensors load(const Session& session, const fs::path& folder) {
  Tensors inputs;
  for (std::size_t i = 0; i < session.inputs().size(); ++i) {
    inputs[session.inputs()[i].name] =
        Tensor::from(read_tensor_file(folder / ("input_" + std::to_string(i) + ".pb")));
  }
  return inputs;
}

std::int64_t time_run(const Session& session, const Tensors& inputs) {
  const auto start = std::chrono::steady_clock::now();
  session.run(inputs);
  const auto time = std::chrono::steady_clock::now() - start;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

void print_profile(const Session& session) {
  std::map<std::string, NodeTime> types;
  for (const NodeTime& node : session.profile()) {
    types[node.type].calls += node.calls;
    types[node.type].nanoseconds += node.nanoseconds;
  }
  for (const auto& [type, time] : types) {
    std::printf("%s %lld %lld\n", type.c_str(), static_cast<long long>(time.calls),
                static_cast<long long>(time.nanoseconds));
  }
}

void serve(const Session& session) {
  Tensors inputs;
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.starts_with("load ")) {
      inputs = load(session, line.substr(5));
      std::printf("ok\n");
    } else if (line == "run") {
      std::printf("%lld\n", static_cast<long long>(time_run(session, inputs)));
    } else if (line == "peak") {
      std::printf("%lld\n", static_cast<long long>(session.peak_memory()));
    } else if (line == "profile") {
      print_profile(session);
      std::printf(".\n");
    } else {
      fail("unknown command \"{}\"", line);
    }
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    SessionOptions options;
    options.threads = std::stoi(argv[1]);
    options.profile = true;
    const Session session = Session::open(argv[2], options);
    std::printf("ready\n");
    std::fflush(stdout);
    serve(session);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    return 1;
  }
  return 0;
}
