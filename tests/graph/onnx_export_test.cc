#include "graph/onnx_export.h"

#include <gtest/gtest.h>

#include <array>

#include "base/error.h"
#include "graph/builder.h"
#include "onnx.pb.h"

namespace bantam {
namespace {

onnx::ModelProto exported(const Graph& graph) {
  const std::string bytes = export_onnx(graph, "1.2.3", [](std::size_t weight, std::size_t part) {
    const auto offset = static_cast<std::int64_t>(100 * weight + 10 * part);
    return ExternalLocation{"model.onnx_data", offset, 24};
  });
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(bytes));
  return model;
}

std::string entry(const onnx::TensorProto& tensor, const std::string& key) {
  for (const auto& pair : tensor.external_data()) {
    if (pair.key() == key) return pair.value();
  }
  return "absent";
}

// x [rows, 3] -> Gemm with a weight [2, 3] -> Reshape to y.
Graph small_graph() {
  Graph graph;
  graph.opsets = {{"", 21}};
  GraphBuilder builder(graph);
  const ValueId x = builder.input("x", DType::kF32, {Dim::named("rows"), Dim::fixed(3)});
  const std::array<float, 6> values = {1, 2, 3, 4, 5, 6};
  const ValueId weight = builder.weight("w", Role::kHead, make_memory_source("w", {2, 3}, values));
  const GraphBuilder::Scope scope(builder, "layer");
  const ValueId product =
      builder.op("Gemm", {x, weight, kNoValue}, {{"transB", std::int64_t{1}}, {"alpha", 0.5F}});
  const ValueId shaped = builder.op("Reshape", {product, builder.constant({-1, 1, 2})});
  builder.output(shaped, "y", {Dim{}, Dim::fixed(1), Dim::fixed(2)});
  return graph;
}

TEST(OnnxExport, StatesProducerVersionsAndOpsets) {
  Graph graph = small_graph();
  graph.opsets["com.microsoft"] = 1;
  const onnx::ModelProto model = exported(graph);
  EXPECT_EQ(model.ir_version(), 10);
  EXPECT_EQ(model.producer_name(), "bantam");
  EXPECT_EQ(model.producer_version(), "1.2.3");
  ASSERT_EQ(model.opset_import_size(), 2);
  EXPECT_EQ(model.opset_import(0).domain(), "");
  EXPECT_EQ(model.opset_import(0).version(), 21);
  EXPECT_EQ(model.opset_import(1).domain(), "com.microsoft");
  EXPECT_EQ(model.opset_import(1).version(), 1);
}

TEST(OnnxExport, KeepsSymbolsNumbersAndUnknownsOfInputsAndOutputs) {
  const onnx::ModelProto model = exported(small_graph());
  ASSERT_EQ(model.graph().input_size(), 1);
  const auto& input = model.graph().input(0).type().tensor_type();
  EXPECT_EQ(input.elem_type(), onnx::TensorProto::FLOAT);
  ASSERT_EQ(input.shape().dim_size(), 2);
  EXPECT_EQ(input.shape().dim(0).dim_param(), "rows");
  EXPECT_EQ(input.shape().dim(1).dim_value(), 3);
  ASSERT_EQ(model.graph().output_size(), 1);
  EXPECT_EQ(model.graph().output(0).name(), "y");
  const auto& output = model.graph().output(0).type().tensor_type().shape();
  ASSERT_EQ(output.dim_size(), 3);
  EXPECT_FALSE(output.dim(0).has_dim_value());
  EXPECT_FALSE(output.dim(0).has_dim_param());
}

TEST(OnnxExport, WritesNodesInOrderWithOmittedInputsAndAttributes) {
  const onnx::ModelProto model = exported(small_graph());
  ASSERT_EQ(model.graph().node_size(), 2);
  const onnx::NodeProto& gemm = model.graph().node(0);
  EXPECT_EQ(gemm.op_type(), "Gemm");
  EXPECT_EQ(gemm.name(), "/layer/Gemm");
  ASSERT_EQ(gemm.input_size(), 3);
  EXPECT_EQ(gemm.input(1), "w");
  EXPECT_EQ(gemm.input(2), "");
  ASSERT_EQ(gemm.attribute_size(), 2);
  EXPECT_EQ(gemm.attribute(0).type(), onnx::AttributeProto::INT);
  EXPECT_EQ(gemm.attribute(0).i(), 1);
  EXPECT_EQ(gemm.attribute(1).type(), onnx::AttributeProto::FLOAT);
  EXPECT_EQ(gemm.attribute(1).f(), 0.5F);
  EXPECT_EQ(model.graph().node(1).input(0), gemm.output(0));
}

TEST(OnnxExport, WritesEveryKindOfAttribute) {
  Graph graph;
  graph.opsets = {{"", 21}};
  const ValueId out = graph.add_value("out", DType::kF32);
  const std::array<std::int64_t, 2> numbers = {7, -8};
  Node node;
  node.type = "Thing";
  node.outputs = {out};
  node.attributes = {{"text", std::string("a\0b", 3)},
                     {"ints", std::vector<std::int64_t>{1, -2}},
                     {"floats", std::vector<float>{0.25F}},
                     {"texts", std::vector<std::string>{"p", "q"}},
                     {"tensor", TensorData{DType::kI64, {2}, bytes_of(std::span(numbers)), {}}},
                     {"names", TensorData{DType::kString, {1}, {}, {"only"}}}};
  graph.nodes.push_back(node);
  graph.outputs = {out};
  const onnx::ModelProto model = exported(graph);
  const auto& attributes = model.graph().node(0).attribute();
  ASSERT_EQ(attributes.size(), 6);
  EXPECT_EQ(attributes[0].s(), std::string("a\0b", 3));
  EXPECT_EQ(attributes[1].type(), onnx::AttributeProto::INTS);
  EXPECT_EQ(attributes[1].ints(1), -2);
  EXPECT_EQ(attributes[2].floats(0), 0.25F);
  EXPECT_EQ(attributes[3].strings(1), "q");
  EXPECT_EQ(attributes[4].t().data_type(), onnx::TensorProto::INT64);
  EXPECT_EQ(attributes[4].t().raw_data(),
            std::string("\x07\0\0\0\0\0\0\0\xf8\xff\xff\xff\xff\xff\xff\xff", 16));
  EXPECT_EQ(attributes[5].t().string_data(0), "only");
}

TEST(OnnxExport, KeepsConstantsInsideAndWeightsOutside) {
  const onnx::ModelProto model = exported(small_graph());
  ASSERT_EQ(model.graph().initializer_size(), 2);
  const onnx::TensorProto& constant = model.graph().initializer(0);
  EXPECT_EQ(constant.name(), model.graph().node(1).input(1));
  EXPECT_EQ(constant.data_location(), onnx::TensorProto::DEFAULT);
  EXPECT_EQ(constant.raw_data().size(), 24U);
  const onnx::TensorProto& weight = model.graph().initializer(1);
  EXPECT_EQ(weight.name(), "w");
  EXPECT_EQ(weight.data_location(), onnx::TensorProto::EXTERNAL);
  EXPECT_FALSE(weight.has_raw_data());
  ASSERT_EQ(weight.dims_size(), 2);
  EXPECT_EQ(weight.dims(0), 2);
  EXPECT_EQ(entry(weight, "location"), "model.onnx_data");
  EXPECT_EQ(entry(weight, "offset"), "0");
  EXPECT_EQ(entry(weight, "length"), "24");
}

TEST(OnnxExport, DeclaresOneByteRangeUnderEveryNameAndShapeThatReadsIt) {
  Graph graph = small_graph();
  WeightPart& part = graph.weights[0].parts[0];
  part.values.push_back(graph.add_value("w_flat", DType::kF32));
  part.shapes.push_back({6});
  part.stored = DType::kF16;
  const onnx::ModelProto model = exported(graph);
  ASSERT_EQ(model.graph().initializer_size(), 3);
  const onnx::TensorProto& first = model.graph().initializer(1);
  const onnx::TensorProto& second = model.graph().initializer(2);
  EXPECT_EQ(second.name(), "w_flat");
  ASSERT_EQ(second.dims_size(), 1);
  EXPECT_EQ(second.dims(0), 6);
  EXPECT_EQ(first.data_type(), onnx::TensorProto::FLOAT16);
  EXPECT_EQ(entry(first, "offset"), entry(second, "offset"));
}

TEST(OnnxExport, GivesTheSameBytesEveryTime) {
  const auto location = [](std::size_t, std::size_t) { return ExternalLocation{"d", 0, 24}; };
  EXPECT_EQ(export_onnx(small_graph(), "1", location), export_onnx(small_graph(), "1", location));
}

}  // namespace
}  // namespace bantam
