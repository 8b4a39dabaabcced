#pragma once

#include <map>

#include "base/progress.h"
#include "graph/graph.h"
#include "quantize/variant.h"

namespace bantam {

// Bringing a model into one scaling. Couplings (Graph::couplings) are freedoms: two checkpoints that differ
// only by them compute the same function, and a quantizer that looks at one weight at a time treats them
// differently, up to breaking one of them. So every channel is set to a scale that depends on nothing but the
// function.
//
// Of a channel c, let a(c) be the size of what the producers make of inputs of unit variance: |gain|, with
// the bias where there is one, or the norm of a row times its own columns' a, with its bias. Let F be a
// consumer's weights times a: what the model computes, whatever the scaling; and n(c) the norm of F's column
// c, every row of F first brought to norm 1. n does not depend on the scaling. The producers are given the
// size n(c), relative to the root mean square over all channels, and the columns what is left, so that all
// columns have one norm: a block, or a row, then spends its codes on all of them alike. Columns that read
// values through attention (CoupledAxis::head) share n evenly with them, sqrt(n(c)) each: what attention
// makes of a value is not known here, and large channels need the finer grid. docs/quantization.md has the
// measurements that chose both.
//
// Channels that producers or consumers hold nothing but zeros of are set to zero in both. Where consumers
// hold rows (queries against keys) both get the same norm. What is not finite is left alone for the encoder
// to name.
enum class CanonicalForm : std::uint8_t {
  // The factor is the nearest power of two: not a bit of a weight's fraction changes. For weights that stay
  // floats.
  kPowersOfTwo,
  // Exactly the scale above, each weight rounded to float32 once. For weights that are quantized.
  kFull,
};

// The weights that change, as sources in the place of the model's own. Sums are in double precision, in an
// order that depends on neither threads nor tiles nor instruction set; if a twin's channels are scaled by
// powers of two, its sources read the same bytes.
struct CanonicalSources {
  std::map<const TensorSource*, TensorSourcePtr> powers_of_two;
  std::map<const TensorSource*, TensorSourcePtr> full;

  // `model` with those sources.
  Graph apply(const Graph& model, CanonicalForm form) const;
};

// Powers of two where all weights stay floats.
CanonicalForm canonical_form(const Variant& variant);

// Reads every weight that takes part in a coupling once, in tiles.
CanonicalSources canonical_sources(const Graph& model, int threads, Progress& progress);

}  // namespace bantam
