#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "runtime/constants.h"
#include "runtime/op.h"
#include "runtime/options.h"

namespace bantam {

// A node that is ready to run.
struct Step {
  struct In {
    ValueId value = kNoValue;                 // computed by an earlier step or fed
    const Tensor* constant = nullptr;         // known before; both unset: omitted
    bool dying = false;                       // no later step reads `value`
    DType narrowed_from = DType::kUndefined;  // the 16-bit type that a constant had before it was widened
  };
  struct Out {
    ValueId value = kNoValue;
    bool wanted = false;
  };
  const Node* node = nullptr;
  std::string description;  // for errors
  RunFn run;
  Half half = Half::kWiden;
  std::vector<In> inputs;
  std::vector<Out> outputs;
  std::vector<ValueId> release;  // values that nobody reads after this step
};

// A graph as the list of steps that a run takes. Nodes whose inputs are all constant have been run already.
// The graph, constants, memory and pool outlive the program.
struct Program {
  std::vector<Step> steps;
};
Program compile(const Graph& graph, Constants& constants, const SessionOptions& options, Memory& memory,
                ThreadPool& pool);

// Runs one step: `inputs` as the step lists them; widens and narrows 16-bit floats, rounds to fp16 when
// asked, and adds the node's name to errors.
void run_step(const Step& step, std::span<const OpInput> inputs, std::span<OpOutput> outputs,
              const SessionOptions& options, Memory& memory, ThreadPool& pool);

// A float32 tensor as it would be after being stored as fp16.
Tensor rounded_to_fp16(const Tensor& tensor, Memory& memory, ThreadPool& pool);

// "node encoder/MatMul (MatMul)", for errors.
std::string describe(const Node& node);

}  // namespace bantam
