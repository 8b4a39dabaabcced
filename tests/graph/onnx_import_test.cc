#include "graph/onnx_import.h"

#include <gtest/gtest.h>
#include <onnx.pb.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>

#include "base/error.h"
#include "base/file.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

class OnnxImport : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("bantam_import_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    model_.set_ir_version(8);
    auto* opset = model_.add_opset_import();
    opset->set_version(17);
  }
  void TearDown() override { fs::remove_all(folder_); }

  onnx::GraphProto& graph() { return *model_.mutable_graph(); }

  static void declare(onnx::ValueInfoProto* info, const std::string& name, std::vector<std::int64_t> dims) {
    info->set_name(name);
    auto* type = info->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    type->mutable_shape();
    for (const std::int64_t dim : dims) {
      auto* added = type->mutable_shape()->add_dim();
      if (dim >= 0)
        added->set_dim_value(dim);
      else
        added->set_dim_param("batch");
    }
  }
  onnx::NodeProto* node(const std::string& type, std::vector<std::string> inputs,
                        std::vector<std::string> outputs) {
    auto* added = graph().add_node();
    added->set_op_type(type);
    added->set_name(outputs.front() + "_node");
    for (auto& input : inputs) added->add_input(input);
    for (auto& output : outputs) added->add_output(output);
    return added;
  }
  onnx::TensorProto* initializer(const std::string& name, std::vector<std::int64_t> dims, int type,
                                 std::string raw) {
    auto* added = graph().add_initializer();
    added->set_name(name);
    for (const std::int64_t dim : dims) added->add_dims(dim);
    added->set_data_type(type);
    added->set_raw_data(std::move(raw));
    return added;
  }
  // y = Relu(x), the graph that the hostile cases start from.
  void make_small() {
    declare(graph().add_input(), "x", {-1, 3});
    declare(graph().add_output(), "y", {-1, 3});
    node("Relu", {"x"}, {"y"});
  }
  Graph import() {
    const fs::path path = folder_ / "model.onnx";
    fs::remove(path);
    write_text_file(path, model_.SerializeAsString());
    return import_onnx(path);
  }
  void expect_error(const std::string& part) {
    try {
      import();
      FAIL() << "accepted where an error about \"" << part << "\" was expected";
    } catch (const Error& error) {
      EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
    }
  }

  fs::path folder_;
  onnx::ModelProto model_;
};

TEST_F(OnnxImport, ReadsWeightsFromTheFileOnlyWhenAsked) {
  declare(graph().add_input(), "x", {-1, 3});
  declare(graph().add_output(), "y", {-1, 700});
  std::vector<float> values(3 * 700);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  initializer("w", {3, 700}, onnx::TensorProto::FLOAT,
              std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4));
  initializer("packed", {701, 3}, 21, std::string(1052, '\x21'));
  initializer("small", {2}, onnx::TensorProto::INT64, std::string(16, '\0'));
  node("MatMul", {"x", "w"}, {"y"});
  const Graph graph = import();
  ASSERT_EQ(graph.weights.size(), 2u);
  ASSERT_EQ(graph.constants.size(), 1u);
  EXPECT_EQ(graph.weights[0].codec->key(), "float32");
  EXPECT_EQ(read_all_as_float(*graph.weights[0].source), values);
  EXPECT_TRUE(graph.weights[1].codec->is_raw());
  EXPECT_EQ(graph.weights[1].source->spec().dtype, DType::kU4);
  std::vector<std::byte> packed(1052);
  graph.weights[1].source->read({0, 701}, packed);
  EXPECT_EQ(packed[1051], std::byte{0x21});
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.value(graph.inputs[0]).dims, (std::vector<Dim>{Dim::named("batch"), Dim::fixed(3)}));
}

TEST_F(OnnxImport, SortsNodes) {
  declare(graph().add_input(), "x", {});
  declare(graph().add_output(), "c", {});
  node("Neg", {"b"}, {"c"});
  node("Abs", {"a"}, {"b"});
  node("Relu", {"x"}, {"a"});
  const Graph graph = import();
  EXPECT_EQ(graph.nodes[0].type, "Relu");
  EXPECT_EQ(graph.nodes[1].type, "Abs");
  EXPECT_EQ(graph.nodes[2].type, "Neg");
}

TEST_F(OnnxImport, TakesTypedValuesAndInputsWithDefaults) {
  declare(graph().add_input(), "x", {});
  declare(graph().add_input(), "bias", {3});
  declare(graph().add_output(), "y", {3});
  auto* bias = graph().add_initializer();
  bias->set_name("bias");
  bias->add_dims(3);
  bias->set_data_type(onnx::TensorProto::FLOAT);
  for (const float value : {1.0f, 2.0f, 3.0f}) bias->add_float_data(value);
  node("Add", {"x", "bias"}, {"y"});
  const Graph graph = import();
  EXPECT_EQ(graph.inputs.size(), 1u);
  ASSERT_EQ(graph.constants.size(), 1u);
  float third = 0;
  std::memcpy(&third, graph.constants[0].data.bytes.data() + 8, 4);
  EXPECT_EQ(third, 3.0f);
}

TEST_F(OnnxImport, ReadsExternalData) {
  make_small();
  write_text_file(folder_ / "weights.bin", std::string(5000, '\x7f'));
  auto* weight = graph().add_initializer();
  weight->set_name("w");
  weight->add_dims(1000);
  weight->set_data_type(onnx::TensorProto::INT32);
  weight->set_data_location(onnx::TensorProto::EXTERNAL);
  const auto entry = [&](const std::string& key, const std::string& value) {
    auto* added = weight->add_external_data();
    added->set_key(key);
    added->set_value(value);
    return added;
  };
  auto* location = entry("location", "weights.bin");
  auto* offset = entry("offset", "1000");
  auto* length = entry("length", "4000");
  EXPECT_EQ(import().weights.at(0).source->spec().bytes(), 4000);
  offset->set_value("1001");
  expect_error("the file is truncated");
  offset->set_value("9223372036854775807");
  expect_error("the file is truncated");
  offset->set_value("-4");
  expect_error("is not a size");
  offset->set_value("0");
  length->set_value("3999");
  expect_error("external data of 3999 bytes");
  length->set_value("4000");
  location->set_value("../weights.bin");
  expect_error("leaves the model's folder");
  location->set_value("/etc/hostname");
  expect_error("leaves the model's folder");
  location->set_value("sub/../../weights.bin");
  expect_error("leaves the model's folder");
  location->set_value("nothing.bin");
  expect_error("nothing.bin: cannot open");
}

TEST_F(OnnxImport, RefusesCycles) {
  make_small();
  node("Add", {"x", "q"}, {"p"});
  node("Neg", {"p"}, {"q"});
  expect_error("is part of a cycle");
}

TEST_F(OnnxImport, RefusesDanglingAndRepeatedNames) {
  make_small();
  auto* dangling = node("Add", {"x", "nowhere"}, {"p"});
  expect_error("nowhere is read before anything produces it");
  dangling->set_input(1, "x");
  dangling->set_output(0, "y");
  expect_error("y is defined twice");
  dangling->set_output(0, "p");
  declare(graph().add_output(), "missing", {});
  expect_error("graph output missing is produced by no node");
}

TEST_F(OnnxImport, RefusesShapesThatCannotBe) {
  make_small();
  auto* weight = initializer("w", {2, 2}, onnx::TensorProto::FLOAT, std::string(15, '\0'));
  expect_error("15 bytes where float32 [2, 2] needs 16");
  weight->set_dims(0, std::int64_t{1} << 62);
  expect_error("is not possible");
  weight->set_dims(0, -2);
  expect_error("shape [-2, 2] is not possible");
  weight->set_dims(0, std::int64_t{1} << 60);
  weight->set_dims(1, 0);
  expect_error("15 bytes where");
}

TEST_F(OnnxImport, RefusesUnknownElementTypes) {
  make_small();
  auto* weight = initializer("w", {1}, 99, "xxxx");
  expect_error("element type 99 is not supported");
  weight->set_data_type(0);
  expect_error("element type 0 is not supported");
  weight->set_data_type(onnx::TensorProto::COMPLEX64);
  expect_error("initializer w: element type 14");
}

TEST_F(OnnxImport, RefusesWhatItDoesNotUnderstand) {
  make_small();
  model_.add_functions()->set_name("helper");
  expect_error("local function helper");
  model_.clear_functions();
  auto* attribute = node("If", {"x"}, {"z"})->add_attribute();
  attribute->set_name("then_branch");
  attribute->set_type(onnx::AttributeProto::GRAPH);
  expect_error("node z_node (If): attribute then_branch: subgraphs");
}

TEST_F(OnnxImport, RefusesFilesThatAreNotModels) {
  const fs::path path = folder_ / "model.onnx";
  for (const std::string& text :
       {std::string(), std::string("version https://git-lfs.github.com/spec/v1\n"),
        std::string("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10), std::string(300, '\xff')}) {
    fs::remove(path);
    write_text_file(path, text);
    EXPECT_THROW(import_onnx(path), Error);
  }
}

TEST_F(OnnxImport, SurvivesEveryTruncationAndBitFlip) {
  make_small();
  initializer("w", {5, 5}, onnx::TensorProto::FLOAT, std::string(100, 'w'));
  node("MatMul", {"x", "w"}, {"z"});
  const std::string whole = model_.SerializeAsString();
  const fs::path path = folder_ / "model.onnx";
  const auto try_import = [&](const std::string& text) {
    fs::remove(path);
    write_text_file(path, text);
    try {
      import_onnx(path);
    } catch (const Error&) {  // any other exception or a crash fails the test
    }
  };
  for (std::size_t length = 0; length < whole.size(); ++length) try_import(whole.substr(0, length));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char flip : {'\x01', '\x08', '\x80', '\xff'}) {
      std::string broken = whole;
      broken[i] = static_cast<char>(broken[i] ^ flip);
      try_import(broken);
    }
  }
}

}  // namespace
}  // namespace bantam
