#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/parallel.h"
#include "graph/graph.h"
#include "runtime/memory.h"
#include "runtime/options.h"
#include "runtime/tensor.h"

namespace bantam {

struct Kernels;

// Where an op finds the values that are known before the first run. Loads weights on demand.
class ConstantLookup {
 public:
  virtual ~ConstantLookup() = default;
  virtual const Tensor* constant(ValueId id) = 0;  // null: known only while running
};

// A node as its op sees it while the session is built: attributes, which inputs exist, which are constant.
// Reading an attribute marks it as understood; the session refuses a node with an attribute that nobody read.
class OpNode {
 public:
  OpNode(const Node& node, std::int64_t opset, ConstantLookup& constants, const SessionOptions& options,
         Memory& memory, ThreadPool& pool);

  const Node& node() const { return node_; }
  std::int64_t opset() const { return opset_; }
  const SessionOptions& options() const { return options_; }
  const Kernels& kernels() const;  // tuned, or the reference when the options ask for it
  Memory& memory() { return memory_; }
  ThreadPool& pool() { return pool_; }

  // Errors unless the number of inputs (outputs) is in the range and the first `least` are present.
  void expect_inputs(int least, int most) const;
  void expect_outputs(int least, int most) const;
  int input_count() const { return static_cast<int>(node_.inputs.size()); }
  int output_count() const { return static_cast<int>(node_.outputs.size()); }
  bool has_input(int index) const;
  bool has_output(int index) const;

  bool has_attribute(std::string_view name);
  std::int64_t integer(std::string_view name);  // required
  std::int64_t integer(std::string_view name, std::int64_t otherwise);
  // An integer attribute that must be 0 or 1.
  bool flag(std::string_view name, bool otherwise);
  float real(std::string_view name);
  float real(std::string_view name, float otherwise);
  std::string text(std::string_view name);
  std::string text(std::string_view name, std::string_view otherwise);
  std::optional<std::vector<std::int64_t>> integers(std::string_view name);
  std::optional<std::vector<float>> reals(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name);
  std::optional<Tensor> tensor(std::string_view name);
  // Marks an attribute that changes nothing here (hints for other backends) as understood.
  void ignore(std::string_view name);
  std::vector<std::string> unread() const;

  // The value of input `index` when it is known already, else null. 16-bit floats come as float32 unless the
  // op takes them as they are (OpDef::half).
  const Tensor* constant(int index);
  // The op keeps what it needs of constant input `index`; the session may drop it. input(index) is then not
  // there.
  void consumed(int index);
  const std::vector<int>& consumed_inputs() const { return consumed_; }

 private:
  template <typename T>
  const T* find(std::string_view name);

  const Node& node_;
  std::int64_t opset_;
  ConstantLookup& constants_;
  const SessionOptions& options_;
  Memory& memory_;
  ThreadPool& pool_;
  std::vector<std::string> read_;
  std::vector<int> consumed_;
};

// An input of one execution. `dying`: nobody reads it afterwards, so that its memory may be taken over.
struct OpInput {
  const Tensor* tensor = nullptr;  // null: omitted
  bool dying = false;
};

// An output of one execution.
struct OpOutput {
  Tensor tensor;
  bool wanted = false;
  bool stays_float = false;  // see OpRun::keep_float32
};

// One execution of a node: its inputs, and where its outputs go.
class OpRun {
 public:
  OpRun(std::span<const OpInput> inputs, std::span<OpOutput> outputs, Memory& memory, ThreadPool& pool)
      : inputs_(inputs), outputs_(outputs), memory_(memory), pool_(pool) {}

  int input_count() const { return static_cast<int>(inputs_.size()); }
  bool has_input(int index) const { return optional_input(index) != nullptr; }
  const Tensor& input(int index) const;           // an Error when it is omitted
  const Tensor* optional_input(int index) const;  // null when it is omitted
  int output_count() const { return static_cast<int>(outputs_.size()); }
  // Whether anybody reads output `index`. Unwanted outputs may be left out.
  bool wants(int index) const;

  // Allocates output `index`; the elements are uninitialised. The shape is checked.
  Tensor& output(int index, DType dtype, Shape shape);
  // The same, but takes over the memory of input `source` when nobody else needs it and the sizes agree.
  // The elements are then those of the input: read each one before writing it.
  Tensor& output_over(int index, int source, DType dtype, Shape shape);
  void set_output(int index, Tensor tensor);
  // Output `index` is float32 by definition, also when the inputs were widened from 16 bits.
  void keep_float32(int index);

  // Uninitialised memory that is gone after the node.
  Tensor scratch(DType dtype, Shape shape) const;
  Memory& memory() const { return memory_; }
  ThreadPool& pool() const { return pool_; }

 private:
  std::span<const OpInput> inputs_;
  std::span<OpOutput> outputs_;
  Memory& memory_;
  ThreadPool& pool_;
};

using RunFn = std::function<void(OpRun&)>;

// What happens to float16 and bfloat16 inputs.
enum class Half : std::uint8_t {
  kWiden,  // the op sees float32; its float32 outputs are rounded back to the type of its first 16-bit input
  kAsIs,   // the op moves bytes or handles the types itself
};

// One meaning of an operator: `since` is the first opset version that has it; a later entry of the same
// operator replaces it. `make` reads the attributes, checks the node and returns what runs it; everything
// that can be refused before running is refused there.
struct OpDef {
  std::string_view domain;
  std::string_view type;
  std::int64_t since;
  RunFn (*make)(OpNode& node);
  Half half = Half::kWiden;
};

// The last opset of each domain whose changes have been read and are covered by the list. Models of later
// opsets are refused, since an operator may have changed its meaning.
std::optional<std::int64_t> newest_opset(std::string_view domain);
// All operators, in no particular order.
std::span<const OpDef> op_defs();
// The meaning of an operator in `opset`; null when there is none.
const OpDef* find_op(std::string_view domain, std::string_view type, std::int64_t opset);

}  // namespace bantam
