// The ONNX conformance suite as Debian's libonnx-testdata installs it: every case whose operators and types
// the runtime has must pass; what is not covered is found out by looking, listed and counted.
#include <gtest/gtest.h>
#include <onnx.pb.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>

#include "base/file.h"
#include "runtime/model_case.h"
#include "runtime/op.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

constexpr const char* kInstalled = "/usr/share/libonnx-testdata/data/node";

std::string type_gap(const onnx::ValueInfoProto& info) {
  if (!info.type().has_tensor_type()) return "a sequence or optional as input or output";
  const int code = info.type().tensor_type().elem_type();
  return dtype_from_onnx(code) ? "" : fmt::format("element type {}", code);
}

// A case of the suite may be broken itself: four record an input of another shape than they declare.
std::string data_gap(const onnx::GraphProto& graph, const fs::path& folder) {
  for (int i = 0; i < graph.input_size(); ++i) {
    const fs::path file = folder / "test_data_set_0" / fmt::format("input_{}.pb", i);
    if (!fs::exists(file)) continue;
    const Shape recorded = read_tensor_file(file).shape;
    const auto& declared = graph.input(i).type().tensor_type().shape();
    bool fits = declared.dim_size() == static_cast<int>(recorded.size());
    for (int d = 0; fits && d < declared.dim_size(); ++d) {
      fits = !declared.dim(d).has_dim_value() ||
             declared.dim(d).dim_value() == recorded[static_cast<std::size_t>(d)];
    }
    if (!fits) return "a recorded input that is not of the declared shape";
  }
  return "";
}

// Why the runtime does not cover a case; empty when it does.
std::set<std::string> gaps(const fs::path& folder) {
  onnx::ModelProto model;
  if (!model.ParseFromString(read_text_file(folder / "model.onnx", 1 << 30))) return {"does not parse"};
  std::set<std::string> found;
  std::map<std::string, std::int64_t> opsets;
  for (const auto& opset : model.opset_import())
    opsets[opset.domain() == "ai.onnx" ? "" : opset.domain()] = opset.version();
  if (model.functions_size() > 0) found.insert("local functions");
  for (const auto& node : model.graph().node()) {
    const std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
    const auto newest = newest_opset(domain);
    const bool known =
        newest && opsets[domain] <= *newest && find_op(domain, node.op_type(), opsets[domain]) != nullptr;
    // Which elements a training dropout drops is random.
    if (node.op_type() == "Dropout" && node.input_size() == 3) found.insert("Dropout with a training mode");
    if (!known)
      found.insert(fmt::format("{}{} of opset {}", domain.empty() ? "" : domain + ".", node.op_type(),
                               opsets[domain]));
  }
  for (const auto* list : {&model.graph().input(), &model.graph().output()}) {
    for (const auto& info : *list) found.insert(type_gap(info));
  }
  found.erase("");
  if (found.empty()) found.insert(data_gap(model.graph(), folder));
  found.erase("");
  return found;
}

struct Report {
  int passed = 0;
  std::map<std::string, int> not_covered;  // reason -> cases
  int left_out = 0;
};

Report run_all(const fs::path& root) {
  Report report;
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (fs::exists(entry.path() / "model.onnx")) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  SessionOptions options;
  options.threads = 2;
  for (const fs::path& folder : folders) {
    if (const auto reasons = gaps(folder); !reasons.empty()) {
      ++report.left_out;
      for (const std::string& reason : reasons) ++report.not_covered[reason];
      continue;
    }
    for (const bool reference : {false, true}) {
      options.reference_kernels = reference;
      try {
        const std::string problem = testing_support::run_case(folder, options, {});
        EXPECT_EQ(problem, "") << folder.filename() << (reference ? " (reference kernels)" : "");
      } catch (const Error& error) {
        ADD_FAILURE() << folder.filename() << ": " << error.message();
      }
    }
    ++report.passed;
  }
  return report;
}

void print(const fs::path& root, const Report& report) {
  std::cout << root.string() << ": " << report.passed << " cases run, " << report.left_out
            << " not covered:\n";
  for (const auto& [reason, count] : report.not_covered) std::cout << "  " << count << "  " << reason << "\n";
}

TEST(OnnxNodeTests, EveryCaseOfACoveredOperatorPasses) {
  ASSERT_TRUE(fs::is_directory(kInstalled)) << "install the package libonnx-testdata";
  const Report report = run_all(kInstalled);
  print(kInstalled, report);
  EXPECT_GE(report.passed, 696);  // as docs/runtime.md says
  // A newer suite, from the onnx repository, for developers.
  if (const char* folder = std::getenv("BANTAM_ONNX_NODE_TESTS")) {
    const Report newer = run_all(folder);
    print(folder, newer);
    EXPECT_GE(newer.passed, 1000);
  } else {
    std::cout << "left out: the newer suite; BANTAM_ONNX_NODE_TESTS names its folder\n";
  }
}

}  // namespace
}  // namespace bantam
