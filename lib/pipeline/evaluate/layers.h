#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/report/report.h"
#include "runtime/session.h"

namespace bantam {

// Outputs of the layers of a graph: what its linears, attention mixes and norms give, by the name of the node
// that computes them in the float graph. Schemes name what they put in a node's place "<node>/<op>", and the
// last one of these gives the layer's value. The session must be open without fusions.
class LayerRecorder final : public Observer {
 public:
  // Of the float graph: every layer that is found, in order of execution.
  LayerRecorder() = default;
  // Of a variant: the layers of the float graph. `wanted` must outlive the recorder.
  explicit LayerRecorder(const std::vector<std::string>& wanted) : wanted_(&wanted) {}

  void node(const Node& node, std::span<const Tensor* const> inputs,
            std::span<const Tensor* const> outputs) override;

  const std::vector<std::string>& names() const { return names_; }
  struct Layer {
    std::vector<float> values;
    std::int64_t width = 1;  // of the last axis: channels
  };
  const std::map<std::string, Layer>& values() const { return values_; }
  // The first node whose first output holds NaN or infinity; empty: none.
  const std::string& first_nonfinite() const { return first_nonfinite_; }

 private:
  const std::vector<std::string>* wanted_ = nullptr;
  std::vector<std::string> names_;
  std::map<std::string, Layer> values_;
  std::string first_nonfinite_;
};

// Adds up signal, noise and cosine per layer over several inputs.
class LayerErrors {
 public:
  // `rescaled`: reference and variant may have their channels scaled differently (quantize/canonical.h), so
  // that each channel is compared after the scale that fits best. Layers of fewer than 16 rows, which would
  // fit too well and which nothing scales, are compared as they are.
  explicit LayerErrors(bool rescaled) : rescaled_(rescaled) {}
  void add(const LayerRecorder& reference, const LayerRecorder& variant);
  std::vector<LayerError> result() const;

 private:
  struct Sums {
    double signal = 0, noise = 0, dot = 0, other = 0;
  };
  Sums total(const std::vector<Sums>& channels, std::int64_t rows) const;

  struct Layer {
    std::vector<Sums> channels;
    std::int64_t rows = 0;
  };
  bool rescaled_;
  std::vector<std::string> order_;
  std::map<std::string, Layer> layers_;
};

}  // namespace bantam
