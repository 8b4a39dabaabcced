#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace bantam {

inline constexpr std::string_view kMicrosoft = "com.microsoft";

// Appends nodes to a Graph with unique, readable names. A scope ("encoder/layer.0") prefixes names.
class GraphBuilder {
 public:
  explicit GraphBuilder(Graph& graph) : graph_(graph) {}

  Graph& graph() { return graph_; }

  class Scope {
   public:
    Scope(GraphBuilder& builder, std::string_view name);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    GraphBuilder& builder_;
    std::size_t length_;
  };

  ValueId input(std::string name, DType dtype, std::vector<Dim> dims);
  // Gives `value` its public name as a graph output.
  void output(ValueId value, std::string name, std::vector<Dim> dims);

  // A node with one output. `dtype` defaults to that of the first present input.
  ValueId op(std::string_view type, std::initializer_list<ValueId> inputs,
             std::vector<Attribute> attributes = {}, DType dtype = DType::kUndefined,
             std::string_view domain = {});
  std::vector<ValueId> op_many(std::string_view type, std::span<const ValueId> inputs, int outputs,
                               std::vector<Attribute> attributes = {}, DType dtype = DType::kUndefined,
                               std::string_view domain = {});
  // The same where only some outputs are asked for: the others are omitted (kNoValue).
  std::vector<ValueId> op_some(std::string_view type, std::span<const ValueId> inputs,
                               std::initializer_list<bool> wanted, std::vector<Attribute> attributes = {},
                               DType dtype = DType::kUndefined, std::string_view domain = {});
  ValueId cast(ValueId value, DType to);

  // Shape-sized constants; equal ones are shared.
  ValueId constant(std::span<const std::int64_t> values);  // 1-D int64
  ValueId constant(std::initializer_list<std::int64_t> values);
  ValueId scalar(float value);
  ValueId scalar(std::int64_t value);
  ValueId constant(TensorData data, std::string_view hint);

  // Declares a weight stored as float32 under its own name; the returned value has the source's shape
  // (or `shape`, which must hold as many elements).
  ValueId weight(std::string name, Role role, TensorSourcePtr source);
  ValueId weight(std::string name, Role role, TensorSourcePtr source, Shape shape);

  // A value name nobody uses yet.
  std::string unique(std::string_view base);

 private:
  std::vector<ValueId> op_wanted(std::string_view type, std::span<const ValueId> inputs,
                                 const std::vector<bool>& wanted, std::vector<Attribute> attributes,
                                 DType dtype, std::string_view domain);

  Graph& graph_;
  std::string prefix_;
  std::vector<std::pair<std::string, int>> counters_;
};

std::vector<std::byte> bytes_of(std::span<const std::int64_t> values);
std::vector<std::byte> bytes_of(std::span<const float> values);

}  // namespace bantam
