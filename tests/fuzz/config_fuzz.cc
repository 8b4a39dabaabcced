// Any config.json over the weights of a real (tiny) checkpoint: refused with an Error, or the graph is sound.
// The first byte chooses the checkpoint.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "convert/architecture.h"

namespace {

std::vector<bantam::Checkpoint> open_fixtures() {
  std::vector<bantam::Checkpoint> checkpoints;
  for (const char* name :
       {"bert-text-classification-3", "distilbert-fill-mask", "roberta-token-classification",
        "mpnet-feature-extraction", "mobilebert-question-answering", "electra-fill-mask",
        "albert-feature-extraction-two-groups", "xlm-roberta-text-classification-1"}) {
    checkpoints.push_back(bantam::open_checkpoint(std::string(BANTAM_TESTDATA "/fixtures/") + name));
  }
  return checkpoints;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<bantam::Checkpoint> fixtures = open_fixtures();
  if (size == 0) return 0;
  bantam::Checkpoint checkpoint = fixtures[data[0] % fixtures.size()];
  try {
    checkpoint.config = bantam::Config(
        "config.json", bantam::parse_json({reinterpret_cast<const char*>(data) + 1, size - 1}));
    bantam::build_model(checkpoint, {}).graph.check();
  } catch (const bantam::Error&) {
  }
  return 0;
}
