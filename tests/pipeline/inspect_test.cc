#include "pipeline/inspect.h"

#include <gtest/gtest.h>
#include <onnx.pb.h>

#include <numeric>

#include "tests/pipeline/bundles.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;
using test::Bundle;
using test::error_of;
using test::fixture;
using test::has_parts;
using test::recipe_of;
using test::small_model;
using test::TempFolder;

std::int64_t bytes_in(const std::vector<InspectedTensor>& tensors) {
  return std::accumulate(tensors.begin(), tensors.end(), std::int64_t{0},
                         [](std::int64_t sum, const InspectedTensor& tensor) { return sum + tensor.bytes; });
}

std::vector<std::string> names(const std::vector<InspectedValue>& values) {
  std::vector<std::string> result;
  for (const InspectedValue& value : values) result.push_back(value.name);
  return result;
}

const InspectedTensor& tensor(const std::vector<InspectedTensor>& tensors, std::string_view name) {
  const auto found = std::ranges::find(tensors, name, &InspectedTensor::name);
  EXPECT_NE(found, tensors.end()) << name;
  return *found;
}

TEST(Inspect, ShowsACheckpointWithRolesAndTheGraphItBecomes) {
  const Inspection shown = inspect(small_model().string());
  EXPECT_EQ(shown.kind, InspectedKind::kCheckpoint);
  EXPECT_EQ(shown.family, "bert");
  EXPECT_EQ(shown.task, "text-classification");
  EXPECT_EQ(shown.parameters, 1466754);  // as PyTorch counts the model's parameters
  ASSERT_EQ(shown.files.size(), 1u);
  EXPECT_EQ(shown.files[0].bytes,
            static_cast<std::int64_t>(fs::file_size(small_model() / "model.safetensors")));
  const InspectedTensor& words = tensor(shown.tensors, "bert.embeddings.word_embeddings.weight");
  EXPECT_EQ(words.role, "word_embedding");
  EXPECT_EQ(words.shape, (Shape{5000, 128}));
  EXPECT_EQ(words.bytes, 5000 * 128 * 4);
  EXPECT_EQ(tensor(shown.tensors, "classifier.weight").role, "head");
  EXPECT_EQ(names(shown.graph.inputs),
            (std::vector<std::string>{"input_ids", "attention_mask", "token_type_ids"}));
  ASSERT_EQ(shown.graph.outputs.size(), 1u);
  EXPECT_EQ(shown.graph.outputs[0].dims, (std::vector<Dim>{Dim::named("batch_size"), Dim::fixed(2)}));
  EXPECT_EQ(shown.graph.opsets.at(""), 21);
  EXPECT_EQ(shown.graph.ir_version, 10);
}

TEST(Inspect, ListsTensorsInTheOrderOfTheirBytes) {
  const Inspection shown = inspect(fixture("bert-fill-mask-sharded").string());
  ASSERT_GE(shown.files.size(), 2u);
  EXPECT_TRUE(std::ranges::is_sorted(shown.tensors, {}, &InspectedTensor::file));
  std::int64_t data = 0;  // the files without their headers
  for (const InspectedFile& file : shown.files) {
    const std::string bytes = test::bytes_of(fixture("bert-fill-mask-sharded") / file.name);
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof(header));
    data += std::ssize(bytes) - 8 - static_cast<std::int64_t>(header);
  }
  EXPECT_EQ(bytes_in(shown.tensors), data);
}

TEST(Inspect, ShowsACheckpointThatCannotBeConvertedAndSaysWhy) {
  const TempFolder folder;
  fs::copy(fixture("bert-fill-mask"), folder / "m");
  std::string config = test::bytes_of(folder / "m/config.json");
  config.replace(config.find("\"bert\""), 6, "\"yolo\"");
  folder.write("m/config.json", config);
  const Inspection shown = inspect((folder / "m").string());
  EXPECT_EQ(shown.model_type, "yolo");
  EXPECT_EQ(shown.family, "");
  EXPECT_EQ(shown.parameters, inspect(fixture("bert-fill-mask").string()).parameters);
  ASSERT_FALSE(shown.notes.empty());
  EXPECT_TRUE(has_parts(shown.notes.back(), {"would refuse", "yolo", "not supported"}));
}

TEST(Inspect, CountsOnlyFloatsOfASafetensorsFileAsParameters) {
  const TempFolder folder;
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"ids":{"dtype":"I64","shape":[3],"data_offsets":[0,24]},)"
      R"("w":{"dtype":"BF16","shape":[5,2],"data_offsets":[24,44]}})";
  const auto path =
      folder.write("weights.safetensors", test::safetensors_bytes(header, std::string(44, '\0')));
  const Inspection shown = inspect(path.string());
  EXPECT_EQ(shown.kind, InspectedKind::kSafetensors);
  EXPECT_EQ(shown.parameters, 10);
  EXPECT_EQ(shown.metadata.at("format"), "pt");
  const auto totals = totals_by_dtype(shown.tensors);
  ASSERT_EQ(totals.size(), 2u);
  EXPECT_EQ(totals[0].name, "int64");  // the largest first
  EXPECT_EQ(totals[0].bytes, 24);
  EXPECT_EQ(totals[1].name, "bfloat16");
  EXPECT_EQ(totals[1].elements, 10);
  EXPECT_TRUE(totals_by_role(shown.tensors).empty());
  // The blobs of the hub cache have no extension.
  fs::rename(path, folder / "blob");
  EXPECT_EQ(inspect((folder / "blob").string()).parameters, 10);
}

// Whatever the weights are stored as, they stand for the same number of parameters.
TEST(Inspect, CountsTheSameParametersInEveryVariant) {
  for (const char* name : {"sst2", "bert-fill-mask", "bert-fill-mask-untied", "albert-question-answering"}) {
    SCOPED_TRACE(name);
    const fs::path source = std::string_view(name) == "sst2" ? small_model() : fixture(name);
    Recipe recipe = recipe_of(source);
    for (Variant& variant : recipe.variants) {
      // Rows of embeddings are stored as whole blocks, whose padding cannot be told from weights: here only
      // where the width is a multiple.
      if (source != small_model())
        variant.rules = {{.role = Role::kWordEmbedding, .keep = true}};
      else if (variant.dtype == DtypeName::kQ4)
        variant.rules = {{.role = Role::kWordEmbedding, .bits = 4}};
    }
    const Bundle bundle(recipe);
    const Inspection shown = inspect(bundle.path().string());
    EXPECT_EQ(shown.parameters, parameter_count(bundle.plan()));
    for (const InspectedVariant& variant : shown.variants) {
      SCOPED_TRACE(variant.dtype);
      EXPECT_EQ(inspect((bundle / variant.file).string()).parameters, shown.parameters);
    }
  }
}

TEST(Inspect, AddsUpTheBytesOfABundle) {
  Recipe recipe = recipe_of(small_model());
  recipe.shard_bytes = 1 << 20;
  const Bundle bundle(recipe);
  const Inspection shown = inspect(bundle.path().string());
  EXPECT_EQ(shown.kind, InspectedKind::kBundle);
  EXPECT_EQ(shown.default_dtype, "q8");
  EXPECT_EQ(shown.model_type, "bert");
  std::int64_t on_disk = 0;
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(bundle.path())) {
    if (!entry.is_regular_file()) continue;
    on_disk += static_cast<std::int64_t>(entry.file_size());
    ++files;
  }
  EXPECT_EQ(shown.bytes(), on_disk);
  EXPECT_EQ(shown.files.size(), files);
  ASSERT_EQ(shown.variants.size(), recipe.variants.size());
  for (const InspectedVariant& variant : shown.variants) {
    SCOPED_TRACE(variant.dtype);
    std::int64_t shards = 0;
    for (const InspectedFile& shard : variant.shards) shards += shard.bytes;
    EXPECT_EQ(variant.bytes, shards + static_cast<std::int64_t>(fs::file_size(bundle / variant.file)));
    EXPECT_LE(bytes_in(variant.tensors), shards);
    EXPECT_GT(bytes_in(variant.tensors), shards * 95 / 100);  // the rest is alignment
    for (const auto& totals : {totals_by_dtype(variant.tensors), totals_by_role(variant.tensors)}) {
      std::int64_t sum = 0;
      for (const TensorTotal& total : totals) sum += total.bytes;
      EXPECT_EQ(sum, bytes_in(variant.tensors));
    }
  }
  const InspectedVariant& fp32 = shown.variants[0];
  ASSERT_EQ(fp32.dtype, "fp32");
  EXPECT_GT(fp32.shards.size(), 3u);
  for (std::size_t i = 0; i < fp32.shards.size(); ++i) {
    EXPECT_EQ(fp32.shards[i].name, "onnx/model.onnx_data" + (i == 0 ? "" : "_" + std::to_string(i)));
  }
  EXPECT_EQ(shown.tensors.size(), shown.variants[2].tensors.size());  // q8, the default
}

TEST(Inspect, CountsOperatorsAndReadsDimsOfAnOnnxFile) {
  const TempFolder folder;
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  model.add_opset_import()->set_domain("org.example");
  model.mutable_opset_import(1)->set_version(1);
  onnx::GraphProto& graph = *model.mutable_graph();
  onnx::ValueInfoProto& input = *graph.add_input();
  input.set_name("x");
  input.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  auto& shape = *input.mutable_type()->mutable_tensor_type()->mutable_shape();
  shape.add_dim()->set_dim_param("rows");
  shape.add_dim()->set_dim_value(7);
  shape.add_dim();
  onnx::TensorProto& weight = *graph.add_initializer();
  weight.set_name("w");
  weight.set_data_type(onnx::TensorProto::FLOAT);
  weight.add_dims(300);
  weight.set_raw_data(std::string(1200, '\0'));
  const auto node = [&](const std::string& type, const std::string& domain, std::vector<std::string> in,
                        const std::string& out) {
    onnx::NodeProto& added = *graph.add_node();
    added.set_op_type(type);
    added.set_domain(domain);
    for (auto& name : in) added.add_input(name);
    added.add_output(out);
  };
  node("Relu", "", {"x"}, "a");
  node("Relu", "", {"a"}, "b");
  node("Mystery", "org.example", {"b", "w"}, "y");
  onnx::ValueInfoProto& output = *graph.add_output();
  output.set_name("y");
  output.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT16);
  const auto path = folder.write("model.onnx", model.SerializeAsString());

  const Inspection shown = inspect(path.string());
  EXPECT_EQ(shown.kind, InspectedKind::kOnnx);
  EXPECT_EQ(shown.parameters, 300);
  EXPECT_EQ(tensor(shown.tensors, "w").file, "");
  ASSERT_EQ(shown.graph.ops.size(), 2u);
  EXPECT_EQ(shown.graph.ops[0].type, "Relu");
  EXPECT_EQ(shown.graph.ops[0].count, 2);
  EXPECT_EQ(shown.graph.ops[1].domain, "org.example");
  ASSERT_EQ(shown.graph.inputs.size(), 1u);
  EXPECT_EQ(shown.graph.inputs[0].dims,
            (std::vector<Dim>{Dim::named("rows"), Dim::fixed(7), Dim::named("")}));
  ASSERT_EQ(shown.graph.outputs.size(), 1u);
  EXPECT_FALSE(shown.graph.outputs[0].has_dims);
  EXPECT_EQ(shown.graph.outputs[0].dtype, "float16");

  const Json json = parse_json(inspection_json(shown));
  EXPECT_EQ(json.at("inputs").at(0).at("dims").dump(), R"(["rows",7,null])");
  EXPECT_TRUE(json.at("outputs").at(0).at("dims").is_null());
  EXPECT_TRUE(json.at("tensors").at(0).at("file").is_null());
}

TEST(Inspect, CountsTiedInitializersOnceAndNamesTheirFile) {
  const Bundle bundle(recipe_of(fixture("bert-fill-mask"), {DtypeName::kFp32, DtypeName::kQ4}));
  const Inspection shown = inspect((bundle / "onnx/model.onnx").string());
  EXPECT_EQ(shown.parameters, parameter_count(bundle.plan()));
  EXPECT_EQ(tensor(shown.tensors, "bert.embeddings.word_embeddings.weight").file, "model.onnx_data");
  ASSERT_EQ(shown.files.size(), 2u);
  EXPECT_EQ(shown.files[1].name, "model.onnx_data");
}

class DamagedBundle : public testing::Test {
 protected:
  Bundle bundle_{recipe_of(fixture("bert-fill-mask"), {DtypeName::kQ8, DtypeName::kQ4})};

  std::string error() {
    return error_of([&] { inspect(bundle_.path().string()); });
  }
  void change_manifest(const std::function<void(Json&)>& change) {
    Json manifest = bundle_.manifest();
    change(manifest);
    std::ofstream(bundle_ / "bantam.json") << manifest.dump();
  }
};

TEST_F(DamagedBundle, LacksAShard) {
  fs::remove(bundle_ / "onnx/model_q4.onnx_data");
  EXPECT_TRUE(has_parts(error(), {bundle_.path().string(), "onnx/model_q4.onnx_data", "cannot be found"}));
}
TEST_F(DamagedBundle, HoldsAShortenedShard) {
  fs::resize_file(bundle_ / "onnx/model_q4.onnx_data", 100);
  EXPECT_TRUE(has_parts(error(), {"onnx/model_q4.onnx_data", "has 100 bytes where"}));
}
TEST_F(DamagedBundle, HoldsABrokenGraphOfTheRightSize) {
  const auto size = fs::file_size(bundle_ / "onnx/model_q4.onnx");
  std::ofstream(bundle_ / "onnx/model_q4.onnx", std::ios::binary) << std::string(size, '\xff');
  EXPECT_TRUE(has_parts(error(), {"onnx/model_q4.onnx", "not an ONNX model"}));
}
TEST_F(DamagedBundle, HasAManifestThatIsNoManifest) {
  change_manifest([](Json& manifest) { manifest["variants"][0]["bytes"] = -4; });
  EXPECT_TRUE(has_parts(error(), {"bantam.json", "variants[0].bytes", "-4"}));
}
TEST_F(DamagedBundle, ListsFilesOutsideItsFolder) {
  change_manifest([](Json& manifest) { manifest["files"][0]["name"] = "../secrets"; });
  EXPECT_TRUE(has_parts(error(), {"../secrets", "leaves the bundle's folder"}));
}
TEST_F(DamagedBundle, PlacesTensorsInFilesThatItDoesNotList) {
  change_manifest(
      [](Json& manifest) { manifest["variants"][0]["tensors"][0]["parts"][0]["file"] = "onnx/other"; });
  EXPECT_TRUE(has_parts(error(), {"onnx/other", "does not list"}));
}
TEST_F(DamagedBundle, ClaimsAnImpossibleShape) {
  change_manifest([](Json& manifest) {
    manifest["variants"][0]["tensors"][0]["parts"][0]["shape"] = {std::int64_t{1} << 40,
                                                                  std::int64_t{1} << 40};
  });
  EXPECT_TRUE(has_parts(error(), {"impossible shape"}));
}

TEST(Inspect, SaysInOneLineWhatIsWrongWithAPath) {
  const TempFolder folder;
  const auto text = folder.write("notes.txt", "hello there, this is no model");
  EXPECT_TRUE(has_parts(error_of([&] { inspect(text.string()); }),
                        {"notes.txt", "neither a .safetensors, a .bin (torch.save) nor an .onnx"}));
  const auto broken = folder.write("model.onnx", "\xff\xff\xff");
  EXPECT_TRUE(has_parts(error_of([&] { inspect(broken.string()); }), {"model.onnx", "not an ONNX model"}));
  const auto cut = folder.write(
      "cut.safetensors",
      test::safetensors_bytes(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", "short"));
  EXPECT_TRUE(has_parts(error_of([&] { inspect(cut.string()); }), {"cut.safetensors", "truncated"}));
  EXPECT_TRUE(
      has_parts(error_of([&] { inspect((folder / "gone.onnx").string()); }), {"gone.onnx", "No such file"}));
  EXPECT_TRUE(
      has_parts(error_of([&] { inspect(folder.string()); }), {"neither config.json nor bantam.json"}));
  const test::ScopedEnvironment cache("HF_HUB_CACHE", folder.string());
  EXPECT_TRUE(has_parts(error_of([&] { inspect("org/name"); }), {"org/name", "hf download"}));
}

}  // namespace
}  // namespace bantam
