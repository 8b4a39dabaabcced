#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "runtime/options.h"
#include "runtime/tensor.h"

namespace bantam {

// An input or output of a session, as the graph declares it.
struct IoSpec {
  std::string name;
  DType dtype = DType::kUndefined;
  bool has_dims = false;
  std::vector<Dim> dims;
};

using Tensors = std::map<std::string, Tensor, std::less<>>;

// Sees every node that runs, in order: calibration, per-layer error, search for the first non-finite value.
// Open the session with fuse = false to see the nodes of the file.
class Observer {
 public:
  virtual ~Observer() = default;
  // Omitted optional inputs and outputs are null. Tensors must be copied deeply to be kept: their memory is
  // reused.
  virtual void node(const Node& node, std::span<const Tensor* const> inputs,
                    std::span<const Tensor* const> outputs) = 0;
};

struct NodeTime {
  std::string name;
  std::string type;
  std::int64_t calls = 0;
  std::int64_t nanoseconds = 0;
};

// A model that is ready to run on the CPU: ops found, attributes understood, weights packed.
// run() may be called from several threads; their nodes then share the threads of the session.
class Session {
 public:
  // Opens an .onnx file (external data beside it). Error, naming node and op, for anything that is not
  // supported.
  static Session open(const std::filesystem::path& onnx, const SessionOptions& options = {});
  // Takes a graph as builders and schemes make it: weights are read from their sources and encoded by their
  // codecs.
  explicit Session(Graph graph, const SessionOptions& options = {});
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  std::span<const IoSpec> inputs() const;
  std::span<const IoSpec> outputs() const;

  // Every declared input must be there with the declared type and dimensions, and nothing else.
  Tensors run(const Tensors& inputs, Observer* observer = nullptr) const;

  // Time per node over all runs so far; empty unless options.profile.
  std::vector<NodeTime> profile() const;
  std::int64_t peak_memory() const;  // bytes of tensors, weights included
  void trim();                       // gives idle memory back between runs

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bantam
