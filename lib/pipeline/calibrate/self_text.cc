#include "pipeline/calibrate/self_text.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"
#include "pipeline/bundle_model.h"
#include "runtime/session.h"

namespace bantam {
namespace {

// Texts that are written side by side: one pass over the weights serves them all, and each has its cache.
constexpr std::int64_t kSideBySide = 16;

// bos_token_id or eos_token_id: a number, or the first of a list.
std::optional<std::int64_t> token_of(const Config& config, const char* key) {
  if (!config.json().contains(key)) return std::nullopt;
  const Json& value = config.json().at(key);
  const Json& first = value.is_array() && !value.empty() ? value.front() : value;
  if (!first.is_number_integer() || first < 0) return std::nullopt;
  return first.get<std::int64_t>();
}

// A token drawn from softmax(logits).
std::int64_t draw(std::span<const float> logits, Random& random, std::vector<double>& sums) {
  const float largest = *std::ranges::max_element(logits);
  sums.clear();
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(static_cast<double>(logit) - largest);
    sums.push_back(sum);
  }
  if (!std::isfinite(sum)) fail("the model's logits are not finite; its own text cannot calibrate it");
  const auto found = std::ranges::upper_bound(sums, random.uniform() * sum);
  return std::min<std::int64_t>(found - sums.begin(), std::ssize(logits) - 1);
}

class Writer {
 public:
  Writer(const Session& session, std::int64_t vocabulary, std::optional<std::int64_t> start)
      : session_(session), vocabulary_(vocabulary), start_(start) {}

  // One text per source of random numbers.
  std::vector<std::vector<std::int64_t>> write(std::vector<Random> randoms, std::int64_t length) {
    std::vector<std::vector<std::int64_t>> texts;
    for (Random& random : randoms) texts.push_back({start_ ? *start_ : random.below(vocabulary_)});
    std::vector<std::pair<std::string, Tensor>> caches;
    for (const IoSpec& input : session_.inputs()) {
      if (input.name.starts_with("past_key_values.")) caches.emplace_back(input.name, empty_cache(input, std::ssize(texts)));
    }
    std::vector<double> sums;
    for (std::int64_t position = 0; position + 1 < length; ++position) {
      check_cancelled();
      Tensors outputs = session_.run(inputs(texts, position, caches));
      for (auto& [name, cache] : caches) cache = outputs.at("present." + name.substr(name.find('.') + 1));
      const auto logits = outputs.at("logits").data<float>();
      const auto width = logits.size() / texts.size();
      for (std::size_t i = 0; i < texts.size(); ++i) {
        texts[i].push_back(draw(logits.subspan(i * width, width), randoms[i], sums));
      }
    }
    return texts;
  }

 private:
  Tensors inputs(const std::vector<std::vector<std::int64_t>>& texts, std::int64_t position,
                 const std::vector<std::pair<std::string, Tensor>>& caches) const {
    const std::int64_t batch = std::ssize(texts);
    std::vector<std::int64_t> last;
    for (const std::vector<std::int64_t>& text : texts) last.push_back(text.back());
    const auto all = [](std::int64_t count, std::int64_t value) {
      return std::vector<std::int64_t>(static_cast<std::size_t>(count), value);
    };
    Tensors inputs(caches.begin(), caches.end());
    for (const IoSpec& input : session_.inputs()) {
      if (input.name == "input_ids") {
        inputs.emplace(input.name, Tensor::of<std::int64_t>({batch, 1}, last));
      } else if (input.name == "attention_mask") {
        inputs.emplace(input.name, Tensor::of<std::int64_t>({batch, position + 1}, all(batch * (position + 1), 1)));
      } else if (input.name == "position_ids") {
        inputs.emplace(input.name, Tensor::of<std::int64_t>({batch, 1}, all(batch, position)));
      } else if (input.name == "num_logits_to_keep") {
        inputs.emplace(input.name, Tensor::of<std::int64_t>({}, all(1, 1)));
      }
    }
    return inputs;
  }

  const Session& session_;
  std::int64_t vocabulary_;
  std::optional<std::int64_t> start_;
};

}  // namespace

CalibrationTexts own_texts(const ModelGraph& model, const Config& config, std::int64_t windows, std::int64_t length,
                           std::uint64_t seed, int threads, Progress& progress) {
  if (model.task != Task::kTextGeneration) {
    fail("only a decoder can write its own calibration text; name a file of texts for {}", name(model.task));
  }
  SessionOptions options;
  options.threads = threads;
  const Session session(model.graph, options);
  std::int64_t vocabulary = 0;
  for (const Weight& weight : model.graph.weights) {
    if (weight.role == Role::kWordEmbedding) vocabulary = weight.source->spec().rows();
  }
  std::optional<std::int64_t> start = token_of(config, "bos_token_id");
  if (!start) start = token_of(config, "eos_token_id");
  if (start && *start >= vocabulary) start.reset();
  Writer writer(session, vocabulary, start);
  CalibrationTexts texts;
  texts.describe("self", "the model's own text", " ", {}, true);
  progress.begin("write text", windows, ProgressUnit::kItems);
  Random seeds(seed);
  for (std::int64_t first = 0; first < windows; first += kSideBySide) {
    std::vector<Random> randoms;
    for (std::int64_t i = first; i < std::min(windows, first + kSideBySide); ++i) randoms.emplace_back(seeds.next());
    for (std::vector<std::int64_t>& ids : writer.write(std::move(randoms), length)) {
      Encoding encoding;
      encoding.type_ids.assign(ids.size(), 0);
      encoding.ids = std::move(ids);
      texts.add(encoding, texts.size() + 1);
      progress.advance(1);
    }
  }
  return texts;
}

}  // namespace bantam
