#include "runtime/session.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/parallel.h"
#include "graph/onnx_import.h"
#include "runtime/constants.h"
#include "runtime/fuse.h"
#include "runtime/program.h"

namespace bantam {
namespace {

std::vector<IoSpec> specs_of(const Graph& graph, std::span<const ValueId> ids) {
  std::vector<IoSpec> specs;
  for (const ValueId id : ids) {
    const Value& value = graph.value(id);
    specs.push_back({value.name, value.dtype, value.has_dims, value.dims});
  }
  return specs;
}

void check_fed(const IoSpec& spec, const Tensor& tensor) {
  if (!tensor.defined()) fail("input {}: no tensor was given", spec.name);
  if (spec.dtype != DType::kUndefined && tensor.dtype() != spec.dtype) {
    fail("input {}: {} where {} was expected", spec.name, name(tensor.dtype()), name(spec.dtype));
  }
  if (!spec.has_dims) return;
  bool fits = spec.dims.size() == tensor.shape().size();
  std::string wanted;
  for (std::size_t i = 0; i < spec.dims.size(); ++i) {
    const Dim& dim = spec.dims[i];
    fits = fits && (!dim.is_fixed() || dim.value == tensor.shape()[i]);
    wanted += i > 0 ? ", " : "";
    wanted += dim.is_fixed() ? std::to_string(dim.value) : dim.symbol.empty() ? "?" : dim.symbol;
  }
  if (!fits) fail("input {}: shape {} where [{}] was expected", spec.name, to_string(tensor.shape()), wanted);
}

}  // namespace

struct Session::State {
  State(Graph given, const SessionOptions& wanted)
      : graph(std::move(given)),
        options(wanted),
        memory(options.memory_limit > 0 ? options.memory_limit : default_memory_limit()),
        pool(options.threads > 0 ? options.threads : available_threads()) {
    graph.check();
    for (const Node& node : graph.nodes) {
      if (node.domain == kInternalDomain)
        fail("{}: the domain {} is reserved", describe(node), kInternalDomain);
    }
    if (options.fuse && !options.emulate_fp16) bantam::fuse(graph);
    constants.emplace(graph, options, memory);
    program = compile(graph, *constants, options, memory, pool);
    for (const ValueId id : graph.outputs) constants->constant(id);  // run() only looks, from any thread
    memory.trim();
    inputs = specs_of(graph, graph.inputs);
    outputs = specs_of(graph, graph.outputs);
    if (options.profile) times.resize(program.steps.size());
  }

  std::vector<Tensor> feed(const Tensors& fed) {
    std::vector<Tensor> values(graph.values.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto found = fed.find(inputs[i].name);
      if (found == fed.end()) fail("input {} is missing", inputs[i].name);
      check_fed(inputs[i], found->second);
      Tensor& value = values[static_cast<std::size_t>(graph.inputs[i])];
      const bool round = options.emulate_fp16 && found->second.dtype() == DType::kF32;
      value = round ? rounded_to_fp16(found->second, memory, pool) : found->second;
    }
    if (fed.size() != inputs.size()) {
      for (const auto& [name, tensor] : fed) {
        const bool known = std::any_of(inputs.begin(), inputs.end(),
                                       [&fed_name = name](const IoSpec& s) { return s.name == fed_name; });
        if (!known) fail("the model has no input {}", name);
      }
    }
    return values;
  }

  void run(std::size_t index, std::vector<Tensor>& values, Observer* observer) {
    const Step& step = program.steps[index];
    std::vector<OpInput> in(step.inputs.size());
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Step::In& source = step.inputs[i];
      if (source.constant != nullptr) in[i].tensor = source.constant;
      if (source.value == kNoValue) continue;
      // An output in the memory of an input would look like a view of it, which is not rounded again.
      const bool may_be_taken = source.dying && observer == nullptr && !options.emulate_fp16;
      in[i] = {&values[static_cast<std::size_t>(source.value)], may_be_taken};
    }
    std::vector<OpOutput> out(step.outputs.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i].wanted = step.outputs[i].wanted;
    with_context(step.description, [&] { run_step(step, in, out, options, memory, pool); });
    if (observer != nullptr) show(step, in, out, *observer);
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i].wanted) values[static_cast<std::size_t>(step.outputs[i].value)] = std::move(out[i].tensor);
    }
    for (const ValueId id : step.release) values[static_cast<std::size_t>(id)] = {};
  }

  static void show(const Step& step, std::span<const OpInput> in, std::span<const OpOutput> out,
                   Observer& observer) {
    std::vector<const Tensor*> inputs;
    for (const OpInput& input : in) inputs.push_back(input.tensor);
    std::vector<const Tensor*> outputs;
    for (const OpOutput& output : out) outputs.push_back(output.tensor.defined() ? &output.tensor : nullptr);
    observer.node(*step.node, inputs, outputs);
  }

  void add_time(std::size_t index, std::int64_t nanoseconds) {
    const std::lock_guard lock(mutex);
    times[index].calls += 1;
    times[index].nanoseconds += nanoseconds;
  }

  Graph graph;
  SessionOptions options;
  Memory memory;
  ThreadPool pool;
  std::optional<Constants> constants;
  Program program;
  std::vector<IoSpec> inputs;
  std::vector<IoSpec> outputs;
  std::mutex mutex;
  std::vector<NodeTime> times;
};

Session::Session(Graph graph, const SessionOptions& options)
    : state_(std::make_unique<State>(std::move(graph), options)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Session Session::open(const std::filesystem::path& onnx, const SessionOptions& options) {
  Graph graph = import_onnx(onnx);
  return with_context(onnx.string(), [&] { return Session(std::move(graph), options); });
}

std::span<const IoSpec> Session::inputs() const {
  return state_->inputs;
}
std::span<const IoSpec> Session::outputs() const {
  return state_->outputs;
}

Tensors Session::run(const Tensors& inputs, Observer* observer) const {
  State& state = *state_;
  std::vector<Tensor> values = state.feed(inputs);
  for (std::size_t i = 0; i < state.program.steps.size(); ++i) {
    check_cancelled();
    if (!state.options.profile) {
      state.run(i, values, observer);
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    state.run(i, values, observer);
    const auto time = std::chrono::steady_clock::now() - start;
    state.add_time(i, std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
  }
  Tensors outputs;
  for (std::size_t i = 0; i < state.outputs.size(); ++i) {
    const ValueId id = state.graph.outputs[i];
    const Tensor* constant = state.constants->contains(id) ? state.constants->constant(id) : nullptr;
    outputs[state.outputs[i].name] = constant != nullptr ? *constant : values[static_cast<std::size_t>(id)];
  }
  return outputs;
}

std::vector<NodeTime> Session::profile() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<NodeTime> times = state_->times;
  for (std::size_t i = 0; i < times.size(); ++i) {
    times[i].name = state_->program.steps[i].node->name;
    times[i].type = state_->program.steps[i].node->type;
  }
  return times;
}

std::int64_t Session::peak_memory() const {
  return state_->memory.peak();
}
void Session::trim() {
  state_->memory.trim();
}

}  // namespace bantam
