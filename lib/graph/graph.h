#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/codec.h"
#include "graph/dtype.h"
#include "graph/role.h"
#include "graph/shape.h"
#include "graph/tensor_source.h"

namespace bantam {

// Index into Graph::values. kNoValue stands for an omitted optional input or output.
using ValueId = std::int32_t;
inline constexpr ValueId kNoValue = -1;

// A small tensor held in memory: attributes and shape-sized constants.
struct TensorData {
  DType dtype = DType::kUndefined;
  Shape shape;
  std::vector<std::byte> bytes;      // little-endian; 4-bit types packed low nibble first
  std::vector<std::string> strings;  // kString only
};

using AttributeValue = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>,
                                    std::vector<float>, std::vector<std::string>, TensorData>;

struct Attribute {
  std::string name;
  AttributeValue value;
};

// What a pass that narrows a graph to half precision makes of a float value.
enum class Precision : std::uint8_t {
  kDefault,  // narrow; graph inputs and outputs stay float32, since the caller feeds and reads those
  kFollow,   // narrow, also as graph input or output: caches that only go round
  kFloat32,  // stays float32: what half precision cannot hold (angles of long texts, residual sums)
};

// What flows along an edge. dtype and dims are as declared or inferred; kUndefined / no dims when unknown.
struct Value {
  std::string name;
  DType dtype = DType::kUndefined;
  bool has_dims = false;
  std::vector<Dim> dims;
  Precision precision = Precision::kDefault;
};

// Operators keep ONNX's own names, so that an importer can carry what we do not know.
struct Node {
  std::string domain;  // "" is ai.onnx
  std::string type;
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<Attribute> attributes;

  const Attribute* find(std::string_view attribute) const;
};

// A shape-sized constant that stays inside the .onnx file.
struct Constant {
  ValueId value = kNoValue;
  TensorData data;
};

// One stored tensor of a weight and the graph values that read it. Several values may declare the same
// bytes under different shapes (a tied embedding and head); `shapes[i]` belongs to `values[i]`.
struct WeightPart {
  std::vector<ValueId> values;
  std::vector<Shape> shapes;
  DType stored = DType::kUndefined;  // the codec's dtype, or kF16 / kBF16 where the codec gives kF32
};

struct Weight {
  std::string name;  // as in the checkpoint, for messages and manifests
  Role role = Role::kOther;
  TensorSourcePtr source;
  CodecPtr codec;
  std::vector<WeightPart> parts;  // as codec->parts(source->spec())
};

// How one weight of the float graph carries the channels of a Coupling: by its rows (or the elements of a
// vector) or by its columns.
struct CoupledAxis {
  enum class Axis : std::uint8_t { kRows, kColumns };
  ValueId weight = kNoValue;
  Axis axis = Axis::kRows;
  // 0: row (or column) i is channel i. Else they are heads of so many, of which `repeat` neighbours share
  // their channels; within a head i and i + pairs, for i < pairs, are one channel.
  std::int64_t head = 0;
  std::int64_t repeat = 1;
  std::int64_t pairs = 0;

  std::int64_t channel(std::int64_t i) const {
    if (head == 0) return i;
    const std::int64_t element = i % head;
    return i / head / repeat * (head - pairs) + (element < pairs ? element : element - pairs);
  }
};

// A freedom of the model: for every channel c and every s > 0, what `producers` hold of channel c may be
// multiplied by s and what `consumers` hold of it divided by s, and the model computes the same function. The
// gain of a norm against the columns of the linears that read it is one. Blocks declare them, since they know
// who reads what.
struct Coupling {
  std::int64_t channels = 0;
  std::vector<CoupledAxis> producers;
  std::vector<CoupledAxis> consumers;
};

// Where the heads of an attention come together: the weight [out, heads * size] of the linear that reads
// them. A layer that is used several times is listed once. Float graphs of families have them; imported
// graphs do not.
struct AttentionOutput {
  std::int64_t layer = 0;
  ValueId weight = kNoValue;
  std::int64_t heads =
      0;  // that can leave: under grouped-query attention groups, of which a head of keys has one
  std::int64_t size = 0;  // columns of each
  bool bias = false;      // the linear adds one
};

// An ONNX graph: nodes in topological order over values with dense ids.
class Graph {
 public:
  std::string name = "model";
  std::map<std::string, std::int64_t> opsets;  // domain -> version
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<Constant> constants;
  std::vector<Weight> weights;      // in order of first use
  std::vector<Coupling> couplings;  // of a float graph that a family built; others have none
  std::vector<AttentionOutput> attentions;
  std::int64_t ir_version = 10;

  ValueId add_value(std::string name, DType dtype);
  const Value& value(ValueId id) const { return values.at(static_cast<std::size_t>(id)); }
  Value& value(ValueId id) { return values.at(static_cast<std::size_t>(id)); }

  // Every value has at most one producer, is produced before it is read, names are unique and not empty,
  // weight parts match their codec, inputs and outputs exist. Throws Error naming node and value.
  void check() const;
};

}  // namespace bantam
