// Runs recorded cases (folders in the layout of the ONNX backend tests) with the native runtime and compares:
//   bantam_run_case FOLDER...
// Exit code 0 when all agree.
#include <cstdio>
#include <string>

#include "base/error.h"
#include "runtime/model_case.h"

int main(int argc, char** argv) {
  int failed = 0;
  for (int i = 1; i < argc; ++i) {
    for (const bool reference : {false, true}) {
      bantam::SessionOptions options;
      options.threads = 2;
      options.reference_kernels = reference;
      std::string problem;
      try {
        problem = bantam::testing_support::run_case(argv[i], options, {1e-4, 2e-5});
      } catch (const bantam::Error& error) {
        problem = error.message();
      }
      if (problem.empty()) continue;
      ++failed;
      std::printf("FAIL %s%s: %s\n", argv[i], reference ? " (reference kernels)" : "", problem.c_str());
    }
  }
  std::printf("%d cases, %d failures\n", argc - 1, failed);
  return failed == 0 && argc > 1 ? 0 : 1;
}
