#include "pipeline/bench/workload.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"

namespace bantam {
namespace {

// The most tokens that the position table takes: convert sees to model_max_length, a bundle without tokenizer
// has the size of the table only.
std::int64_t longest(const BundleModel& bundle) {
  std::int64_t limit = bundle.config.integer_or("max_position_embeddings", 1 << 30);
  const std::filesystem::path path = bundle.root / "tokenizer_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return limit;
  const Json config = read_json_file(path);
  if (!config.is_object() || !config.contains("model_max_length")) return limit;
  const Json& stated = config["model_max_length"];
  if (stated.is_number() && stated.get<double>() >= 1 && stated.get<double>() < static_cast<double>(limit)) {
    limit = static_cast<std::int64_t>(stated.get<double>());
  }
  return limit;
}

Encoding random_encoding(Random& random, std::int64_t length, std::int64_t vocabulary, std::int64_t padding) {
  Encoding encoding;
  while (encoding.size() < length) {
    const std::int64_t id = random.below(vocabulary);
    if (id != padding || vocabulary == 1) encoding.ids.push_back(id);
  }
  encoding.attention_mask.assign(encoding.ids.size(), 1);
  encoding.type_ids.assign(encoding.ids.size(), 0);
  return encoding;
}

}  // namespace

std::vector<Workload> make_workloads(const BundleModel& bundle, const Session& session,
                                     const WorkloadShape& shape) {
  BANTAM_ASSERT(shape.batch > 0 && shape.length > 0);
  const std::int64_t most = longest(bundle);
  if (shape.length > most) fail_usage("--length {}: the model reads at most {} tokens", shape.length, most);
  const std::int64_t vocabulary = bundle.config.integer("vocab_size");
  const std::int64_t padding = bundle.config.integer_or("pad_token_id", -1, -1);
  Random random(1);
  std::vector<Encoding> encodings;
  for (std::int64_t row = 0; row < shape.batch; ++row)
    encodings.push_back(random_encoding(random, shape.length, vocabulary, padding));
  std::vector<Workload> workloads;
  workloads.push_back({"forward", token_inputs(session.inputs(), encodings), shape.batch * shape.length});
  return workloads;
}

}  // namespace bantam
