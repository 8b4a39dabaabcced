#include "session_flags.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"

namespace bantam {
namespace {

struct NbitsName {
  std::string_view name;
  NbitsMode mode;
  std::string_view help;
};
constexpr std::array kNbitsNames{
    NbitsName{"declared", NbitsMode::kAsDeclared, "what the node's accuracy_level says (default)"},
    NbitsName{"float", NbitsMode::kFloat, "float activations: onnxruntime-web on wasm"},
    NbitsName{"int8", NbitsMode::kInt8, "int8 activations: WebGPU with accuracy level 4"},
};

}  // namespace

void declare_session_flags(Options& options, SessionFlags& flags) {
  std::vector<Choice> modes;
  for (const NbitsName& entry : kNbitsNames)
    modes.push_back({std::string(entry.name), std::string(entry.help)});
  options.group("Running");
  options.add("-t,--threads N", flags.threads, "Threads. Default: all.", {.min = 1, .max = 1024});
  options.add("--profile", flags.profile, "Show the time per op.");
  options.add("--nbits MODE", flags.nbits,
              "How 4-bit products (MatMulNBits) treat their activations:", {.choices = std::move(modes)});
  options.add("--emulate-fp16", flags.emulate_fp16,
              "Round every float32 tensor between nodes to fp16, to find overflows before a browser does.");
}

SessionOptions session_options(const SessionFlags& flags) {
  const auto nbits = std::ranges::find(kNbitsNames, flags.nbits, &NbitsName::name);
  BANTAM_ASSERT(nbits != kNbitsNames.end());
  SessionOptions options;
  options.threads = flags.threads.value_or(0);
  options.nbits = nbits->mode;
  options.emulate_fp16 = flags.emulate_fp16;
  options.profile = flags.profile;
  return options;
}

}  // namespace bantam
