#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "pipeline/verify/checks.h"

namespace bantam {
namespace {

constexpr std::string_view kGeneration = "generation_config.json";
constexpr std::array<std::string_view, 5> kTokenKeys = {"bos_token_id", "eos_token_id", "pad_token_id",
                                                        "decoder_start_token_id", "forced_bos_token_id"};

void check_token(Verification& verification, std::string_view key, const Json& value, std::int64_t rows) {
  if (value.is_array()) {
    for (const Json& item : value) check_token(verification, key, item, rows);
  } else if (value.is_null()) {
    return;
  } else if (!value.is_number_integer()) {
    verification.findings.error(kGeneration, "{} is {} and not a token", key, value.dump().substr(0, 60));
  } else if (value.get<std::int64_t>() >= rows && key == "bos_token_id") {
    verification.findings.warning(
        kGeneration, "{} is {}, and the vocabulary has {} tokens: no text can begin with nothing", key,
        value.get<std::int64_t>(), rows);
  } else if (value.get<std::int64_t>() >= rows) {
    verification.findings.error(kGeneration, "{} is {}, and the vocabulary has {} tokens", key,
                                value.get<std::int64_t>(), rows);
  }
}

}  // namespace

void check_generation(Verification& verification) {
  const BundleView& view = verification.bundle;
  if (!view.usable(kGeneration)) {
    if (view.task() == "text-generation" && !view.exists(kGeneration)) {
      verification.findings.warning(kGeneration,
                                    "is not there: generation ends only at the length that a page asks for");
    }
    return;
  }
  Json generation;
  try {
    generation = read_json_file(view.path(kGeneration));
    if (!generation.is_object()) fail("is not a JSON object");
  } catch (const Error& error) {
    verification.findings.error(kGeneration, "{}", error.message());
    return;
  }
  if (!view.config) return;
  const auto rows = view.config->find("vocab_size");
  if (rows == view.config->end() || !rows->is_number_integer()) return;
  for (const std::string_view key : kTokenKeys) {
    if (const auto value = generation.find(key); value != generation.end()) {
      check_token(verification, key, *value, rows->get<std::int64_t>());
    }
  }
}

}  // namespace bantam
