#include "pipeline/calibrate/calibrate.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/units.h"
#include "calibrate/statistics/collector.h"
#include "calibrate/statistics/fingerprint.h"
#include "pipeline/bundle_model.h"
#include "pipeline/evaluate/layers.h"
#include "pipeline/manifest.h"
#include "runtime/session.h"

namespace bantam {
namespace {

// Tokens of a batch, padding included: enough to multiply at full speed, few enough for the activations of a
// small model to stay in the cache.
constexpr std::int64_t kBatchTokens = 1024;
// A decoder's head is calibrated with the last so many positions of a window: the logits of all would be the
// largest tensor by far.
constexpr std::int64_t kLogits = 64;

using Batch = std::vector<std::int64_t>;  // texts

// The texts of a block in batches: of about one length, never across blocks, and nothing that depends on
// anything but their lengths.
std::vector<Batch> batches_of(const CalibrationTexts& texts, std::int64_t block) {
  const std::int64_t begin = block * kTextsPerBlock, end = std::min(texts.size(), begin + kTextsPerBlock);
  Batch order(static_cast<std::size_t>(end - begin));
  std::iota(order.begin(), order.end(), begin);
  std::ranges::stable_sort(order, {}, [&](std::int64_t text) { return texts.length(text); });
  std::vector<Batch> batches;
  for (const std::int64_t text : order) {
    const std::int64_t length = texts.length(text);
    const bool fits = !batches.empty() && (std::ssize(batches.back()) + 1) * length <= kBatchTokens &&
                      (!texts.causal() || texts.length(batches.back().front()) == length);
    if (!fits) batches.emplace_back();
    batches.back().push_back(text);
  }
  return batches;
}

class Calibration {
 public:
  Calibration(const ModelGraph& model, const Config& config, const CalibrationTexts& texts,
              const CalibrateOptions& options, Progress& progress)
      : model_(model),
        texts_(texts),
        options_(options),
        progress_(progress),
        blocks_(ceil_div(texts.size(), kTextsPerBlock)),
        begin_(blocks_ * (options.part - 1) / options.parts),
        end_(blocks_ * options.part / options.parts),
        sites_(find_sites(model.graph)) {
    if (begin_ == end_) {
      fail("part {} of {} is empty: {} texts make {} blocks of {}", options.part, options.parts, texts.size(),
           blocks_, kTextsPerBlock);
    }
    if (sites_.list.empty()) fail("this model has no linear layers to calibrate");
    info_.tool = tool_version();
    info_.family = model.family;
    info_.task = name(model.task);
    info_.fingerprint = model_fingerprint(model, config);
    info_.collected = options.collect;
    info_.sites = sites_.list;
    info_.data = {{texts.digest(), texts.name(), texts.size(), texts.tokens(), {{begin_, end_}}}};
  }

  void run(const File& file) {
    std::vector<std::vector<std::int32_t>> importance(sites_.list.size());
    if (options_.collect.ranges) {
      parallel_for(std::ssize(importance), options_.threads, [&](std::int64_t i, int) {
        const auto site = static_cast<std::size_t>(i);
        importance[site] = channel_importance(model_.graph, sites_.weights[site], sites_.list[site].width);
      });
    }
    SessionOptions session_options;
    session_options.threads = options_.threads;
    const Session session(model_.graph, session_options);
    Collector collector(sites_, options_.collect, importance, options_.threads);
    StatisticsWriter writer(file);
    const std::vector<std::vector<bool>> waves = make_waves();
    const std::int64_t texts = std::min(texts_.size(), end_ * kTextsPerBlock) - begin_ * kTextsPerBlock;
    progress_.begin("calibrate", texts * std::ssize(waves), ProgressUnit::kItems);
    for (std::size_t wave = 0; wave < waves.size(); ++wave) {
      collector.want_products(waves[wave]);
      collector.want_channels(wave == 0);
      for (std::int64_t block = begin_; block < end_; ++block) {
        for (const Batch& batch : batches_of(texts_, block)) run_batch(session, collector, batch);
      }
      for (std::size_t site = 0; site < sites_.list.size(); ++site) {
        if (!waves[wave][site]) continue;
        TriangleSums& products = collector.statistics()[site].products;
        writer.products(site, products);
        products = TriangleSums(products.width());
      }
    }
    for (std::size_t site = 0; site < sites_.list.size(); ++site)
      writer.channels(site, collector.statistics()[site]);
    writer.finish(info_);
  }

 private:
  // Sites in order, as many at a time as have room for two sums each (the second is rare).
  std::vector<std::vector<bool>> make_waves() const {
    const std::vector<bool> none(sites_.list.size());
    std::vector<std::vector<bool>> waves = {none};
    if (!options_.collect.hessians) return waves;
    std::int64_t used = 0;
    for (std::size_t site = 0; site < sites_.list.size(); ++site) {
      const std::int64_t bytes =
          triangle_size(sites_.list[site].width) * 2 * std::int64_t{sizeof(std::int64_t)};
      if (bytes > options_.stats_memory) {
        fail("{}: its Hessian takes {}, more than --stats-memory {}", sites_.list[site].weights.front(),
             format_bytes(bytes), format_bytes(options_.stats_memory));
      }
      if (used + bytes > options_.stats_memory) {
        waves.push_back(none);
        used = 0;
      }
      used += bytes;
      waves.back()[site] = true;
    }
    return waves;
  }

  Tensors inputs_of(const Session& session, std::span<const Encoding> encodings) const {
    Tensors inputs = token_inputs(session.inputs(), encodings);
    const auto keep = inputs.find("num_logits_to_keep");
    if (keep != inputs.end()) {
      keep->second.mutable_data<std::int64_t>()[0] = std::min(kLogits, encodings.front().size());
    }
    return inputs;
  }

  void run_batch(const Session& session, Collector& collector, const Batch& batch) const {
    check_cancelled();
    std::vector<Encoding> encodings;
    for (const std::int64_t text : batch) encodings.push_back(texts_.encoding(text));
    pad(encodings, texts_.padding());
    std::vector<std::uint8_t> mask;
    for (const Encoding& encoding : encodings) {
      for (const std::int64_t bit : encoding.attention_mask) mask.push_back(bit != 0 ? 1 : 0);
    }
    collector.begin_batch(std::ssize(batch), encodings.front().size(), std::move(mask));
    static_cast<void>(session.run(inputs_of(session, encodings), &collector));
    if (collector.nonfinite()) fail_nonfinite(batch);
    progress_.advance(std::ssize(batch));
  }

  // Looks for the text and the node, one by one.
  [[noreturn]] void fail_nonfinite(const Batch& batch) const {
    SessionOptions options;
    options.threads = options_.threads;
    options.fuse = false;
    const Session session(model_.graph, options);
    const std::vector<std::string> nothing;
    for (const std::int64_t text : batch) {
      const Encoding encoding = texts_.encoding(text);
      LayerRecorder recorder(nothing);
      static_cast<void>(session.run(inputs_of(session, std::span(&encoding, 1)), &recorder));
      if (recorder.first_nonfinite().empty()) continue;
      fail("{}: node {} gives NaN or infinity for this text; the float model cannot be calibrated with it",
           texts_.place(text), quote(recorder.first_nonfinite()));
    }
    fail("{}: activations beyond {} for this text or one of the {} after it; they cannot be calibrated with",
         texts_.place(batch.front()), kLargestActivation, batch.size() - 1);
  }

  const ModelGraph& model_;
  const CalibrationTexts& texts_;
  const CalibrateOptions& options_;
  Progress& progress_;
  std::int64_t blocks_, begin_, end_;
  Sites sites_;
  StatisticsInfo info_;
};

}  // namespace

void calibrate(const ModelGraph& model, const Config& config, const CalibrationTexts& texts,
               const CalibrateOptions& options, const File& file, Progress& progress) {
  Calibration(model, config, texts, options, progress).run(file);
}

}  // namespace bantam
