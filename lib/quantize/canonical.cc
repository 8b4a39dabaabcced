#include "quantize/canonical.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/parallel.h"
#include "quantize/canonical/kernels.h"
#include "quantize/scaled_source.h"
#include "quantize/usable_couplings.h"

namespace bantam {
namespace {

using Axis = CoupledAxis::Axis;

constexpr std::int64_t kTileElements = 256 * 1024;

double nearest_power_of_two(double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);  // [0.5, 1)
  return std::ldexp(1.0, fraction * fraction >= 0.5 ? exponent : exponent - 1);
}

// One side of a weight that a coupling scales.
struct Side {
  std::size_t coupling = 0;
  const CoupledAxis* axis = nullptr;
  bool producer = false;
  std::size_t channel(std::size_t i) const {
    return static_cast<std::size_t>(axis->channel(static_cast<std::int64_t>(i)));
  }
};

struct CoupledWeight {
  const Weight* weight = nullptr;
  std::optional<Side> rows;
  std::optional<Side> columns;
  bool measured = false;
  std::vector<double> row_squares;     // with the columns' a; when `rows`
  std::vector<double> column_squares;  // of F with rows of norm 1; when `columns`
};

struct Channels {
  bool known = false;           // `size` is
  std::vector<double> size;     // a
  std::vector<double> readers;  // n
  std::vector<double> target;   // what the producers' size becomes; not finite: leave the channel alone
};

class Balancer {
 public:
  Balancer(const Graph& model, int threads, Progress& progress)
      : model_(model), threads_(threads), progress_(progress) {
    for (const Coupling* coupling : usable_couplings(model_)) add(*coupling);
  }

  CanonicalSources run() {
    std::int64_t bytes = 0;
    for (const CoupledWeight& weight : weights_) bytes += weight.weight->source->spec().bytes();
    if (bytes > 0) progress_.begin("balance", bytes);
    // Norms are known by their gains; what they feed is measured next, then what that feeds.
    while (measure_ready()) find_sizes();
    BANTAM_ASSERT(std::ranges::all_of(weights_, &CoupledWeight::measured));  // couplings have no cycle
    for (std::size_t c = 0; c < channels_.size(); ++c) choose_targets(*couplings_[c], c);
    CanonicalSources sources;
    for (const CoupledWeight& weight : weights_) {
      const TensorSourcePtr& source = weight.weight->source;
      sources.powers_of_two[source.get()] = make_scaled_source(source, factors(weight, true));
      sources.full[source.get()] = make_scaled_source(source, factors(weight, false));
    }
    return sources;
  }

 private:
  void add(const Coupling& coupling) {
    const std::size_t index = couplings_.size();
    couplings_.push_back(&coupling);
    const auto count = static_cast<std::size_t>(coupling.channels);
    channels_.push_back({false, std::vector<double>(count), std::vector<double>(count), {}});
    for (const CoupledAxis& axis : coupling.producers) add_side({index, &axis, true});
    for (const CoupledAxis& axis : coupling.consumers) add_side({index, &axis, false});
  }

  void add_side(const Side& side) {
    const auto known = by_value_.find(side.axis->weight);
    if (known == by_value_.end()) {
      by_value_[side.axis->weight] = weights_.size();
      const auto found = std::ranges::find_if(model_.weights, [&](const Weight& weight) {
        return weight.parts[0].values[0] == side.axis->weight;
      });
      weights_.push_back({&*found, {}, {}, false, {}, {}});
    }
    CoupledWeight& weight = weights_[by_value_.at(side.axis->weight)];
    const TensorSpec& spec = weight.weight->source->spec();
    const bool rows = side.axis->axis == Axis::kRows;
    const std::int64_t length = rows ? spec.rows() : spec.width();
    BANTAM_ASSERT(length == 0 ? couplings_[side.coupling]->channels == 0
                              : side.axis->channel(length - 1) + 1 == couplings_[side.coupling]->channels);
    (rows ? weight.rows : weight.columns) = side;
  }

  // Measures the weights whose columns have a known size; false when there is none left.
  bool measure_ready() {
    std::vector<CoupledWeight*> ready;
    for (CoupledWeight& weight : weights_) {
      if (!weight.measured && (!weight.columns || channels_[weight.columns->coupling].known)) {
        ready.push_back(&weight);
      }
    }
    std::vector<std::vector<float>> floats(static_cast<std::size_t>(std::max(threads_, 1)));
    std::vector<std::vector<std::byte>> raw(floats.size());
    parallel_for(std::ssize(ready), threads_, [&](std::int64_t item, int worker) {
      CoupledWeight& weight = *ready[static_cast<std::size_t>(item)];
      const auto slot = static_cast<std::size_t>(worker);
      with_context(weight.weight->name, [&] { measure(weight, floats[slot], raw[slot]); });
    });
    return !ready.empty();
  }

  // One thread goes through a weight from its first row to its last, so that sums have one order.
  void measure(CoupledWeight& weight, std::vector<float>& floats, std::vector<std::byte>& raw) const {
    const TensorSource& source = *weight.weight->source;
    const std::int64_t rows = source.spec().rows(), width = source.spec().width();
    std::vector<double> sizes(static_cast<std::size_t>(width), 1.0);
    if (weight.columns) {
      const Side& side = *weight.columns;
      for (std::size_t i = 0; i < sizes.size(); ++i)
        sizes[i] = channels_[side.coupling].size[side.channel(i)];
      weight.column_squares.assign(sizes.size(), 0.0);
    }
    const ScalingKernels& kernels = scaling_kernels();
    const std::int64_t step = std::max<std::int64_t>(1, kTileElements / std::max<std::int64_t>(1, width));
    for (std::int64_t first = 0; first < rows; first += step) {
      check_cancelled();
      const RowRange tile{first, std::min(rows, first + step)};
      floats.resize(static_cast<std::size_t>(tile.count() * width));
      read_as_float(source, tile, raw, floats);
      for (std::int64_t row = 0; row < tile.count(); ++row) {
        const float* values = floats.data() + row * width;
        const double squares = kernels.squares(values, sizes.data(), width);
        if (weight.rows) weight.row_squares.push_back(squares);
        if (weight.columns && squares != 0)
          kernels.add_squares(values, sizes.data(), 1.0 / squares, weight.column_squares.data(), width);
      }
      progress_.advance(tile.count() * byte_size(source.spec().dtype, width));
    }
    weight.measured = true;
  }

  const CoupledWeight& weight_of(const CoupledAxis& axis) const {
    return weights_[by_value_.at(axis.weight)];
  }

  // The sizes of channels whose producers have all been measured.
  void find_sizes() {
    for (std::size_t c = 0; c < channels_.size(); ++c) {
      const std::vector<CoupledAxis>& producers = couplings_[c]->producers;
      const auto measured = [&](const CoupledAxis& axis) { return weight_of(axis).measured; };
      if (channels_[c].known || !std::ranges::all_of(producers, measured)) continue;
      std::vector<double>& size = channels_[c].size;
      for (const CoupledAxis& axis : producers) add_rows(axis, size);
      for (double& value : size) value = std::sqrt(value);
      channels_[c].known = true;
    }
  }

  void add_rows(const CoupledAxis& axis, std::vector<double>& squares) const {
    const CoupledWeight& weight = weight_of(axis);
    for (std::size_t i = 0; i < weight.row_squares.size(); ++i)
      squares[weight.rows->channel(i)] += weight.row_squares[i];
  }

  void choose_targets(const Coupling& coupling, std::size_t index) {
    Channels& channels = channels_[index];
    bool rows = false, heads = false;
    for (const CoupledAxis& axis : coupling.consumers) {
      const CoupledWeight& weight = weight_of(axis);
      if (axis.axis == Axis::kRows) {
        rows = true;
        add_rows(axis, channels.readers);
      } else {
        heads = axis.head != 0;
        for (std::size_t i = 0; i < weight.column_squares.size(); ++i)
          channels.readers[weight.columns->channel(i)] += weight.column_squares[i];
      }
    }
    double squares = 0;
    std::int64_t live = 0;
    channels.target.resize(channels.size.size());
    for (std::size_t c = 0; c < channels.size.size(); ++c) {
      const double a = channels.size[c], n = std::sqrt(channels.readers[c]);
      double& target = channels.target[c];
      if (a == 0) {
        target = 0;
      } else if (rows) {
        target = std::sqrt(a * n);
      } else {
        target = heads ? std::sqrt(n) : n;
      }
      if (!std::isfinite(target) || !std::isfinite(a) || target == 0) continue;
      squares += target * target;
      ++live;
    }
    if (rows || live == 0) return;
    const double mean = std::sqrt(squares / static_cast<double>(live));
    for (double& target : channels.target) target /= mean;
  }

  // What a channel of the producers is multiplied by, or of the consumers.
  double factor(const Side& side, std::size_t channel, bool power_of_two) const {
    const double a = channels_[side.coupling].size[channel];
    const double target = channels_[side.coupling].target[channel];
    if (!std::isfinite(a) || !std::isfinite(target)) return 1;
    if (a == 0 || target == 0) return 0;
    if (power_of_two) {
      const double power = nearest_power_of_two(a / target);
      return side.producer ? 1 / power : power;
    }
    return side.producer ? target / a : a / target;
  }

  AxisFactors factors(const CoupledWeight& weight, bool power_of_two) const {
    const auto along = [&](const std::optional<Side>& side, std::int64_t length) {
      std::vector<double> list;
      for (std::int64_t i = 0; side && i < length; ++i)
        list.push_back(factor(*side, side->channel(static_cast<std::size_t>(i)), power_of_two));
      return list;
    };
    const TensorSpec& spec = weight.weight->source->spec();
    return {along(weight.rows, spec.rows()), along(weight.columns, spec.width())};
  }

  const Graph& model_;
  int threads_;
  Progress& progress_;
  std::vector<const Coupling*> couplings_;
  std::vector<Channels> channels_;  // of couplings_
  std::vector<CoupledWeight> weights_;
  std::map<ValueId, std::size_t> by_value_;
};

}  // namespace

Graph CanonicalSources::apply(const Graph& model, CanonicalForm form) const {
  return with_sources(model, form == CanonicalForm::kFull ? full : powers_of_two);
}

CanonicalForm canonical_form(const Variant& variant) {
  const bool floats = variant.dtype == DtypeName::kFp32 || variant.dtype == DtypeName::kFp16;
  return floats ? CanonicalForm::kPowersOfTwo : CanonicalForm::kFull;
}

CanonicalSources canonical_sources(const Graph& model, int threads, Progress& progress) {
  return Balancer(model, threads, progress).run();
}

}  // namespace bantam
