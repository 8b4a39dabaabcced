#pragma once

#include "runtime/session.h"

namespace bantam {

// How far the answer of a changed model is from the original's, for one text: the mean over all distributions
// of KL(original || changed), in nats, where the outputs are logits ("logits" along its last axis,
// start_logits and end_logits along the text); else the squared error relative to the original's square
// (hidden states, and logits of a single class). Outputs that the two do not share are left out; there must
// be one.
double output_divergence(const Tensors& original, const Tensors& changed);

}  // namespace bantam
