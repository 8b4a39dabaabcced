#include <algorithm>
#include <set>

#include "base/error.h"
#include "graph/unsupported.h"
#include "runtime/program.h"

namespace bantam {

std::string describe(const Node& node) {
  return fmt::format("node {} ({})", node.name, node.type);
}

namespace {

// Gives an op its constants in the form that it will see them in.
class Widened final : public ConstantLookup {
 public:
  Widened(Constants& constants, Half half) : constants_(constants), half_(half) {}
  const Tensor* constant(ValueId id) override {
    return half_ == Half::kWiden ? constants_.widened(id) : constants_.constant(id);
  }

 private:
  Constants& constants_;
  Half half_;
};

class Compiler {
 public:
  Compiler(const Graph& graph, Constants& constants, const SessionOptions& options, Memory& memory,
           ThreadPool& pool)
      : graph_(graph),
        constants_(constants),
        options_(options),
        memory_(memory),
        pool_(pool),
        readers_(graph.values.size(), 0) {}

  Program run() {
    check_support();
    count_readers();
    for (const Node& node : graph_.nodes) {
      with_context(describe(node), [&] { add(node); });
    }
    mark_last_uses();
    return std::move(program_);
  }

 private:
  std::int64_t opset(const Node& node) const { return graph_.opsets.at(node.domain); }

  // Everything that is missing at once, so that nobody learns it one op at a time.
  void check_support() const {
    std::set<std::string> missing;
    for (const Node& node : graph_.nodes) {
      const std::string domain = node.domain.empty() ? "ai.onnx" : node.domain;
      const auto newest = newest_opset(node.domain);
      if (newest && opset(node) > *newest) {
        fail_unsupported("opset {} of {} is newer than {}, the last one that is supported", opset(node),
                         domain, *newest);
      }
      if (newest && find_op(node.domain, node.type, opset(node)) != nullptr) continue;
      missing.insert(fmt::format("{}.{} of opset {} (node {})", domain, node.type, opset(node), node.name));
      if (missing.size() == 10) break;
    }
    if (missing.empty()) return;
    std::string list;
    for (const std::string& entry : missing) list += (list.empty() ? "" : ", ") + entry;
    fail_unsupported("operators that the runtime does not have: {}", list);
  }

  void count_readers() {
    for (const Node& node : graph_.nodes) {
      for (const ValueId id : node.inputs) {
        if (id != kNoValue) ++readers(id);
      }
    }
    for (const ValueId id : graph_.outputs) ++readers(id);
  }
  int& readers(ValueId id) { return readers_[static_cast<std::size_t>(id)]; }

  void add(const Node& node) {
    const OpDef& def = *find_op(node.domain, node.type, opset(node));
    Widened lookup(constants_, def.half);
    OpNode view(node, opset(node), lookup, options_, memory_, pool_);
    Step step;
    step.node = &node;
    step.description = describe(node);
    step.half = def.half;
    step.run = def.make(view);
    if (const auto unread = view.unread(); !unread.empty())
      fail("attribute {} is not supported", unread.front());
    const auto is_consumed = [&](int index) {
      const auto& consumed = view.consumed_inputs();
      return std::find(consumed.begin(), consumed.end(), index) != consumed.end();
    };
    bool foldable = true;
    for (int i = 0; i < view.input_count(); ++i) {
      Step::In in;
      const ValueId id = node.inputs[static_cast<std::size_t>(i)];
      if (id != kNoValue && !constants_.contains(id)) {
        foldable = false;
        in.value = id;
      } else if (id != kNoValue && !is_consumed(i)) {
        in.constant = lookup.constant(id);
        const DType stored = constants_.constant(id)->dtype();
        if (in.constant->dtype() != stored) in.narrowed_from = stored;
      }
      step.inputs.push_back(in);
    }
    for (const ValueId id : node.outputs) step.outputs.push_back({id, id != kNoValue && readers(id) > 0});
    // Without fusion every node of the file is seen running, but a Constant node computes nothing.
    const bool fold = foldable && (options_.fuse || node.inputs.empty());
    if (fold) {
      run_now(step);
    } else {
      program_.steps.push_back(std::move(step));
    }
    for (int i = 0; i < view.input_count(); ++i) {
      const ValueId id = node.inputs[static_cast<std::size_t>(i)];
      if (id == kNoValue || !constants_.contains(id)) continue;
      if ((fold || is_consumed(i)) && --readers(id) == 0) constants_.drop(id);
    }
  }

  void run_now(const Step& step) {
    std::vector<OpInput> inputs;
    for (const Step::In& in : step.inputs) inputs.push_back({in.constant, false});
    std::vector<OpOutput> outputs(step.outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i].wanted = step.outputs[i].wanted;
    run_step(step, inputs, outputs, options_, memory_, pool_);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (step.outputs[i].wanted) constants_.add(step.outputs[i].value, std::move(outputs[i].tensor));
    }
  }

  void mark_last_uses() {
    std::vector<bool> needed(graph_.values.size(), false);
    for (const ValueId id : graph_.outputs) needed[static_cast<std::size_t>(id)] = true;
    for (auto step = program_.steps.rbegin(); step != program_.steps.rend(); ++step) {
      for (const Step::Out& out : step->outputs) {
        if (out.value != kNoValue && !needed[static_cast<std::size_t>(out.value)])
          step->release.push_back(out.value);
      }
      for (Step::In& in : step->inputs) {
        if (in.value == kNoValue || needed[static_cast<std::size_t>(in.value)]) continue;
        in.dying = std::count_if(step->inputs.begin(), step->inputs.end(),
                                 [&](const Step::In& other) { return other.value == in.value; }) == 1;
        step->release.push_back(in.value);
      }
      for (const Step::In& in : step->inputs) {
        if (in.value != kNoValue) needed[static_cast<std::size_t>(in.value)] = true;
      }
    }
  }

  const Graph& graph_;
  Constants& constants_;
  const SessionOptions& options_;
  Memory& memory_;
  ThreadPool& pool_;
  std::vector<int> readers_;
  Program program_;
};

}  // namespace

Program compile(const Graph& graph, Constants& constants, const SessionOptions& options, Memory& memory,
                ThreadPool& pool) {
  return Compiler(graph, constants, options, memory, pool).run();
}

}  // namespace bantam
