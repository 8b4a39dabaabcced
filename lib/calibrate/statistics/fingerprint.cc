#include "calibrate/statistics/fingerprint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/digest.h"
#include "base/error.h"

namespace bantam {
namespace {

constexpr std::int64_t kSampled = 1024;

void add_text(Digest& digest, std::string_view text) {
  const std::uint64_t length = text.size();
  digest.update(std::as_bytes(std::span(&length, 1)));
  digest.update(std::as_bytes(std::span(text)));
}

void add_rows(Digest& digest, const TensorSource& source, RowRange rows, std::vector<std::byte>& scratch) {
  const TensorSpec& spec = source.spec();
  scratch.resize(static_cast<std::size_t>(byte_size(spec.dtype, rows.count() * spec.width())));
  source.read(rows, scratch);
  digest.update(scratch);
}

}  // namespace

std::string model_fingerprint(const ModelGraph& model, const Config& config) {
  Digest digest = Digest::sha256();
  add_text(digest, model.family);
  add_text(digest, config.json().dump(-1, ' ', false, Json::error_handler_t::replace));
  std::vector<const Weight*> weights;
  for (const Weight& weight : model.graph.weights) weights.push_back(&weight);
  std::ranges::sort(weights, {}, [](const Weight* weight) { return std::string_view(weight->name); });
  std::vector<std::byte> scratch;
  for (const Weight* weight : weights) {
    const TensorSpec& spec = weight->source->spec();
    add_text(digest, weight->name);
    add_text(digest, fmt::format("{} {}", name(spec.dtype), to_string(spec.shape)));
    const std::int64_t rows = spec.rows();
    if (rows == 0 || spec.width() == 0) continue;
    const std::int64_t some = std::clamp<std::int64_t>(kSampled / spec.width(), 1, rows);
    with_context(weight->name, [&] {
      for (const std::int64_t begin : {std::int64_t{0}, (rows - some) / 2, rows - some}) {
        add_rows(digest, *weight->source, {begin, begin + some}, scratch);
      }
    });
  }
  return digest.hex();
}

}  // namespace bantam
