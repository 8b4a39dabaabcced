#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/bundle_model.h"
#include "runtime/session.h"

namespace bantam {

// What is timed of a model: a phase and the inputs of one run. Encoders have one phase, "forward".
struct Workload {
  std::string phase;
  Tensors inputs;
  std::int64_t tokens = 0;  // that one run reads
};

// How much one run reads.
struct WorkloadShape {
  std::int64_t batch = 1;
  std::int64_t length = 128;
};

// The phases of a bundle's model at that shape, for one of its sessions: token ids drawn from the vocabulary
// without padding (the same ones every time), a mask of ones, token types of zero. Errors for sequences
// longer than the model reads and for graphs that want other inputs.
std::vector<Workload> make_workloads(const BundleModel& bundle, const Session& session,
                                     const WorkloadShape& shape);

}  // namespace bantam
