#include "pipeline/calibrate/self_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"
#include "pipeline/bundle_model.h"
#include "pipeline/generate/sampler.h"
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

class Writer {
 public:
  Writer(const Session& session, std::int64_t vocabulary, std::optional<std::int64_t> start)
      : session_(session), vocabulary_(vocabulary), start_(start) {}

  // One text per seed, every token drawn from what the model gives.
  std::vector<std::vector<std::int64_t>> write(const std::vector<std::uint64_t>& seeds, std::int64_t length) {
    std::vector<std::vector<std::int64_t>> texts;
    std::vector<Sampler> samplers;
    for (const std::uint64_t seed : seeds) {
      texts.push_back({start_ ? *start_ : Random(seed).below(vocabulary_)});
      samplers.emplace_back(SamplingOptions{.temperature = 1, .seed = seed});
    }
    std::vector<std::pair<std::string, Tensor>> caches;
    for (const IoSpec& input : session_.inputs()) {
      if (input.name.starts_with("past_key_values."))
        caches.emplace_back(input.name, empty_cache(input, std::ssize(texts)));
    }
    for (std::int64_t position = 0; position + 1 < length; ++position) {
      check_cancelled();
      Tensors outputs = session_.run(inputs(texts, position, caches));
      for (auto& [name, cache] : caches) cache = outputs.at("present." + name.substr(name.find('.') + 1));
      const auto logits = outputs.at("logits").data<float>();
      const auto width = logits.size() / texts.size();
      for (std::size_t i = 0; i < texts.size(); ++i) {
        texts[i].push_back(samplers[i].pick(logits.subspan(i * width, width), texts[i]));
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
        inputs.emplace(input.name,
                       Tensor::of<std::int64_t>({batch, position + 1}, all(batch * (position + 1), 1)));
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

CalibrationTexts own_texts(const ModelGraph& model, const Config& config, std::int64_t windows,
                           std::int64_t length, std::uint64_t seed, int threads, Progress& progress) {
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
    std::vector<std::uint64_t> batch;
    for (std::int64_t i = first; i < std::min(windows, first + kSideBySide); ++i)
      batch.push_back(seeds.next());
    for (std::vector<std::int64_t>& ids : writer.write(batch, length)) {
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
