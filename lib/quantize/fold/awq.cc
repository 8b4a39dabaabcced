#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "quantize/fold.h"
#include "quantize/fold/coupled_weights.h"
#include "quantize/fold/folded_statistics.h"
#include "quantize/methods/methods.h"
#include "quantize/policy.h"
#include "quantize/usable_couplings.h"

namespace bantam {
namespace {

constexpr std::size_t kAlphas = 11;  // 0, .1, .. 1
constexpr std::int64_t kRowsAtOnce = 64, kFewestRows = 32;

using Matrix = std::vector<float>;

// A blockwise linear that reads the channels of a coupling.
struct Consumer {
  const CoupledAxis* axis = nullptr;
  const Weight* weight = nullptr;
  BlockwiseOptions options;
  InputStatisticsPtr input;
};

struct Foldable {
  const Coupling* coupling = nullptr;
  std::vector<Consumer> consumers;
};

std::vector<Foldable> foldable(const Graph& model, const Variant& variant, const Statistics& statistics) {
  const CoupledWeights weights(model);
  const std::vector<WeightUses> uses = find_uses(model);
  std::vector<Decision> decisions = decide(model, uses, variant);
  std::vector<std::string> said_later;
  choose_methods(model, uses, variant, &statistics, decisions, said_later);
  std::vector<Foldable> result;
  for (const Coupling* coupling : usable_couplings(model)) {
    const auto columns = [](const CoupledAxis& axis) { return axis.axis == CoupledAxis::Axis::kColumns; };
    if (!std::ranges::all_of(coupling->consumers, columns)) continue;
    Foldable found{coupling, {}};
    bool four_bits = false;
    for (const CoupledAxis& axis : coupling->consumers) {
      const Decision& decision = decisions[weights.index(axis)];
      if (decision.scheme != Scheme::kBlockwise || decision.input == nullptr) continue;
      four_bits |= decision.bits == 4;
      const BlockwiseOptions options = {.bits = decision.bits,
                                        .block_size = static_cast<int>(decision.block_size),
                                        .symmetric = decision.symmetric};
      found.consumers.push_back({&axis, &weights.of(axis), options, decision.input});
    }
    if (four_bits) result.push_back(std::move(found));
  }
  return result;
}

// Rows of a consumer, evenly spread.
Matrix sample_rows(const Weight& weight) {
  const std::int64_t rows = weight.source->spec().rows(), width = weight.source->spec().width();
  const std::int64_t count =
      std::min(rows, std::max(kFewestRows, kAwqSample / std::max<std::int64_t>(width, 1)));
  Matrix sample(static_cast<std::size_t>(count * width));
  std::vector<std::byte> raw;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = i * rows / count;
    read_as_float(
        *weight.source, {row, row + 1}, raw,
        std::span(sample).subspan(static_cast<std::size_t>(i * width), static_cast<std::size_t>(width)));
  }
  return sample;
}

// The sum over rows e of e H e^T; `hessian` is [width, width], or its diagonal.
double cost(std::span<const float> rows, std::int64_t width, const Matrix& hessian) {
  const auto size = static_cast<std::size_t>(width);
  double sum = 0;
  if (hessian.size() == size) {
    for (std::size_t i = 0; i < rows.size(); ++i)
      sum += static_cast<double>(rows[i]) * rows[i] * hessian[i % size];
    return sum;
  }
  std::vector<float> products(size);
  for (std::size_t row = 0; row < rows.size(); row += size) {
    std::ranges::fill(products, 0.0f);
    for (std::size_t k = 0; k < size; ++k) {
      const float factor = rows[row + k];
      const float* of = hessian.data() + k * size;
      for (std::size_t j = 0; j < size; ++j) products[j] += factor * of[j];
    }
    for (std::size_t j = 0; j < size; ++j) sum += static_cast<double>(rows[row + j]) * products[j];
  }
  return sum;
}

// The rows as their codec would have them.
void round_trip(const Codec& codec, std::span<float> rows, std::int64_t width) {
  const std::int64_t count = std::ssize(rows) / width;
  std::vector<std::vector<std::byte>> parts;
  for (const PartSpec& part : codec.parts({"rows", DType::kF32, {count, width}})) {
    parts.emplace_back(static_cast<std::size_t>(part.bytes()));
  }
  codec.encode(rows, width, std::vector<std::span<std::byte>>(parts.begin(), parts.end()));
  codec.decode(std::vector<std::span<const std::byte>>(parts.begin(), parts.end()), width, rows);
}

class Search {
 public:
  Search(const Foldable& foldable, int threads) : foldable_(foldable), threads_(threads) {
    measure_channels();
  }

  struct Found {
    std::size_t alpha = 0;
    std::vector<double> scales;
  };
  Found run() {
    std::array<std::vector<double>, kAlphas> scales;
    for (std::size_t alpha = 0; alpha < kAlphas; ++alpha) scales[alpha] = scales_at(alpha);
    std::array<double, kAlphas> losses{};
    InputStatisticsPtr known;
    Matrix hessian;
    for (const Consumer& consumer : foldable_.consumers) {
      if (consumer.input != known) hessian = hessian_of(*consumer.input);
      known = consumer.input;
      with_context(consumer.weight->name, [&] {
        const Matrix rows = sample_rows(*consumer.weight);
        const double whole = cost(rows, consumer.input->width(), hessian);
        if (!(whole > 0) || !std::isfinite(whole)) return;  // the encoder names what is not finite
        parallel_for(kAlphas, threads_, [&](std::int64_t item, int) {
          const auto alpha = static_cast<std::size_t>(item);
          losses[alpha] += loss(consumer, rows, hessian, scales[alpha]) / whole;
        });
      });
    }
    const auto best = static_cast<std::size_t>(std::ranges::min_element(losses) - losses.begin());
    return {best, std::move(scales[best])};
  }

 private:
  void measure_channels() {
    const auto channels = static_cast<std::size_t>(foldable_.coupling->channels);
    std::vector<double> counts(channels);
    magnitudes_.resize(channels);
    for (const Consumer& consumer : foldable_.consumers) {
      const std::span<const float> moments = consumer.input->second_moments();
      for (std::size_t k = 0; k < moments.size(); ++k) {
        const auto channel = static_cast<std::size_t>(consumer.axis->channel(static_cast<std::int64_t>(k)));
        magnitudes_[channel] += moments[k];
        counts[channel] += 1;
      }
    }
    for (std::size_t c = 0; c < channels; ++c)
      magnitudes_[c] = std::sqrt(magnitudes_[c] / std::max(counts[c], 1.0));
  }

  std::vector<double> scales_at(std::size_t alpha) const {
    std::vector<double> scales(magnitudes_.size());
    for (std::size_t c = 0; c < scales.size(); ++c) {
      if (magnitudes_[c] > 0)
        scales[c] = std::pow(magnitudes_[c], static_cast<double>(alpha) / (kAlphas - 1));
    }
    normalize_scales(scales);
    return scales;
  }

  static Matrix hessian_of(const InputStatistics& input) {
    if (!input.has_hessian()) return Matrix(input.second_moments().begin(), input.second_moments().end());
    Matrix hessian(static_cast<std::size_t>(input.width() * input.width()));
    input.read_hessian(hessian);
    return hessian;
  }

  // In the scaling of the model: what is decoded is divided by what the columns were multiplied by.
  static double loss(const Consumer& consumer, const Matrix& rows, const Matrix& hessian,
                     const std::vector<double>& scales) {
    const std::int64_t width = consumer.input->width();
    std::vector<double> columns;
    for (std::int64_t k = 0; k < width; ++k)
      columns.push_back(scales[static_cast<std::size_t>(consumer.axis->channel(k))]);
    const CodecPtr codec = weighted_codec(consumer.options, divided_input(consumer.input, columns));
    const auto size = static_cast<std::size_t>(width), step = size * kRowsAtOnce;
    double sum = 0;
    Matrix tile;
    for (std::size_t first = 0; first < rows.size(); first += step) {
      check_cancelled();
      const std::size_t count = std::min(step, rows.size() - first);
      tile.resize(count);
      for (std::size_t i = 0; i < count; ++i)
        tile[i] = static_cast<float>(rows[first + i] * columns[i % size]);
      round_trip(*codec, tile, width);
      for (std::size_t i = 0; i < count; ++i)
        tile[i] = static_cast<float>(tile[i] / columns[i % size] - rows[first + i]);
      sum += cost(tile, width, hessian);
    }
    return sum;
  }

  const Foldable& foldable_;
  int threads_;
  std::vector<double> magnitudes_;  // m(c)
};

}  // namespace

Folding fold_awq(const Graph& model, const Variant& variant, const StatisticsPtr& statistics, int threads,
                 Progress& progress) {
  const std::vector<Foldable> list = foldable(model, variant, *statistics);
  progress.begin("fold channels", std::ssize(list), ProgressUnit::kItems);
  std::vector<ChannelScales> scales;
  double alphas = 0;
  for (const Foldable& entry : list) {
    Search::Found found = Search(entry, threads).run();
    alphas += static_cast<double>(found.alpha) / (kAlphas - 1);
    if (found.alpha > 0) scales.push_back({entry.coupling, std::move(found.scales)});
    progress.advance(1);
  }
  Folding folding = fold_scales(model, scales, statistics);
  folding.notes.push_back(
      list.empty() ? "awq: this model has no channels to fold; its blocks are searched with weights"
                   : fmt::format("awq: {} of {} groups of channels folded, mean exponent {:.2f}",
                                 scales.size(), list.size(), alphas / static_cast<double>(list.size())));
  return folding;
}

}  // namespace bantam
