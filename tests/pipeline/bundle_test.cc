// Written bundles, read back without the code that wrote them: ONNX by protobuf, indexes by their readers'
// rules.
#include <onnx.pb.h>
#include <zlib.h>
#include <zstd.h>

#include <set>

#include "base/digest.h"
#include "convert/safetensors.h"
#include "shard/compress.h"
#include "tests/pipeline/bundles.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;
using test::Bundle;
using test::bytes_of;
using test::fixture;
using test::recipe_of;
using test::small_model;

struct External {
  int type = 0;
  std::vector<std::int64_t> dims;
  std::string location;
  std::int64_t offset = 0, length = 0;
  std::string bytes;  // cut out of the file
};

struct OnnxFile {
  onnx::ModelProto model;
  std::map<std::string, External> external;  // by the name of the initializer
};

OnnxFile read_onnx(const fs::path& path) {
  OnnxFile result;
  EXPECT_TRUE(result.model.ParseFromString(bytes_of(path)));
  std::map<std::string, std::string> files;
  for (const onnx::TensorProto& tensor : result.model.graph().initializer()) {
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL) {
      EXPECT_LE(tensor.raw_data().size(), 1024u) << tensor.name() << " is no constant of the size of a shape";
      continue;
    }
    External entry{tensor.data_type(), {tensor.dims().begin(), tensor.dims().end()}, {}, 0, 0, {}};
    for (const auto& field : tensor.external_data()) {
      if (field.key() == "location") entry.location = field.value();
      if (field.key() == "offset") entry.offset = std::stoll(field.value());
      if (field.key() == "length") entry.length = std::stoll(field.value());
    }
    EXPECT_EQ(entry.location.find_first_of("/\\"), std::string::npos) << "browsers look for bare names";
    if (!files.contains(entry.location))
      files[entry.location] = bytes_of(path.parent_path() / entry.location);
    const std::string& file = files[entry.location];
    EXPECT_LE(entry.offset + entry.length, std::ssize(file)) << tensor.name();
    entry.bytes = file.substr(static_cast<std::size_t>(entry.offset), static_cast<std::size_t>(entry.length));
    result.external.emplace(tensor.name(), std::move(entry));
  }
  return result;
}

struct CachedTensor {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

// TVM's readers (C++ and Python) insist on these rules; a violation is a failure here.
std::map<std::string, CachedTensor> read_tensor_cache(const fs::path& index) {
  const std::map<std::string, std::int64_t> sizes = {
      {"float32", 4}, {"float16", 2}, {"int8", 1}, {"uint8", 1}, {"int64", 8}};
  std::map<std::string, CachedTensor> tensors;
  const Json json = read_json_file(index);
  for (const Json& shard : json.at("records")) {
    EXPECT_EQ(shard.at("format"), "raw-shard");
    EXPECT_TRUE(shard.at("nbytes").is_number_integer());
    const std::string data = bytes_of(index.parent_path() / shard.at("dataPath").get<std::string>());
    EXPECT_EQ(shard.at("nbytes").get<std::int64_t>(), std::ssize(data)) << "nbytes is the file's length";
    Digest md5 = Digest::md5();
    md5.update(std::as_bytes(std::span(data)));
    EXPECT_EQ(shard.at("md5sum"), md5.hex());
    for (const Json& record : shard.at("records")) {
      for (const char* key : {"nbytes", "byteOffset"}) EXPECT_TRUE(record.at(key).is_number_integer());
      const std::string name = record.at("name").get<std::string>(),
                        dtype = record.at("dtype").get<std::string>();
      EXPECT_EQ(record.at("format"), "raw") << "f32-to-bf16 would be unpacked";
      const auto shape = record.at("shape").get<std::vector<std::int64_t>>();
      const auto bytes = record.at("nbytes").get<std::int64_t>(),
                 offset = record.at("byteOffset").get<std::int64_t>();
      std::int64_t elements = 1;
      for (const std::int64_t dim : shape) elements *= dim;
      EXPECT_EQ(bytes, elements * sizes.at(dtype)) << name;
      EXPECT_LE(offset + bytes, std::ssize(data)) << name;
      const bool is_new = tensors
                              .emplace(name, CachedTensor{dtype, shape,
                                                          data.substr(static_cast<std::size_t>(offset),
                                                                      static_cast<std::size_t>(bytes))})
                              .second;
      EXPECT_TRUE(is_new) << name << " stands twice";
    }
  }
  EXPECT_EQ(json.at("metadata").at("ParamSize").get<std::size_t>(), tensors.size());
  return tensors;
}

std::string index_name(const Bundle& bundle, std::string_view file) {
  const std::string chosen = bundle.manifest().at("model").at("default_dtype").get<std::string>();
  for (const DtypeNameInfo& entry : dtype_names()) {
    if ("onnx/model" + std::string(entry.suffix) + ".onnx" != file) continue;
    if (entry.name == chosen) return "tensor-cache.json";
    return "tensor-cache" + std::string(entry.suffix.empty() ? "_fp32" : entry.suffix) + ".json";
  }
  return {};
}

const char* onnx_type(std::string_view dtype) {
  for (const auto& [name, type] : {std::pair{"float32", onnx::TensorProto::FLOAT},
                                   {"float16", onnx::TensorProto::FLOAT16},
                                   {"int8", onnx::TensorProto::INT8},
                                   {"uint8", onnx::TensorProto::UINT8}}) {
    if (dtype == name) return onnx::TensorProto::DataType_Name(type).c_str();
  }
  return "unknown";
}

class WrittenBundle : public testing::TestWithParam<std::string> {
 protected:
  static fs::path source() { return GetParam() == "sst2-bert-tiny" ? small_model() : fixture(GetParam()); }
};

TEST_P(WrittenBundle, HoldsTheSameTensorsForTvmAsForOnnx) {
  Recipe recipe = recipe_of(source());
  recipe.shard_bytes = 300 * 1024;
  const Bundle bundle(recipe);
  for (const Json& variant : bundle.manifest().at("variants")) {
    const std::string file = variant.at("file").get<std::string>();
    SCOPED_TRACE(file);
    const OnnxFile onnx = read_onnx(bundle / file);
    const auto cached = read_tensor_cache(bundle / index_name(bundle, file));
    ASSERT_FALSE(cached.empty());
    EXPECT_EQ(cached.size(), onnx.external.size());
    for (const auto& [name, tensor] : onnx.external) {
      SCOPED_TRACE(name);
      const auto found = cached.find(name);
      ASSERT_NE(found, cached.end());
      EXPECT_EQ(found->second.shape, tensor.dims);
      EXPECT_STREQ(
          onnx_type(found->second.dtype),
          onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(tensor.type)).c_str());
      EXPECT_TRUE(found->second.bytes == tensor.bytes);
    }
  }
}

TEST_P(WrittenBundle, AccountsForEveryByteOfItsShards) {
  Recipe recipe = recipe_of(source());
  recipe.shard_bytes = 300 * 1024;
  const Bundle bundle(recipe);
  const Json manifest = bundle.manifest();
  std::set<std::string> accounted;
  for (const Json& variant : manifest.at("variants")) {
    SCOPED_TRACE(variant.at("dtype"));
    std::map<std::string, std::map<std::int64_t, std::int64_t>> pieces;  // file -> offset -> bytes
    std::int64_t total =
        static_cast<std::int64_t>(fs::file_size(bundle / variant.at("file").get<std::string>()));
    for (const Json& tensor : variant.at("tensors")) {
      std::int64_t sum = 0;
      for (const Json& part : tensor.at("parts")) {
        pieces[part.at("file").get<std::string>()][part.at("offset").get<std::int64_t>()] =
            part.at("bytes").get<std::int64_t>();
        sum += part.at("bytes").get<std::int64_t>();
      }
      EXPECT_EQ(tensor.at("bytes"), sum);
    }
    EXPECT_EQ(variant.at("shards"), pieces.size());
    for (const auto& [file, parts] : pieces) {
      accounted.insert(file);
      const std::string data = bytes_of(bundle / file);
      std::int64_t end = 0;
      for (const auto& [offset, bytes] : parts) {
        ASSERT_GE(offset, end) << file << ": parts overlap";
        // Between parts there is alignment, and it is zeros.
        EXPECT_EQ(
            data.find_first_not_of('\0', static_cast<std::size_t>(end)) >= static_cast<std::size_t>(offset) ||
                offset == end,
            true);
        EXPECT_LT(offset - end, 65536);
        end = offset + bytes;
      }
      EXPECT_EQ(end, std::ssize(data)) << file;
      total += std::ssize(data);
    }
    EXPECT_EQ(variant.at("bytes"), total);
  }
  for (const auto& entry : fs::directory_iterator(bundle / "onnx")) {
    const std::string name = "onnx/" + entry.path().filename().string();
    EXPECT_EQ(accounted.contains(name), name.find("_data") != name.npos) << name;
  }
}

TEST_P(WrittenBundle, TellsTransformersJsHowManyShardsToLoad) {
  Recipe recipe = recipe_of(source());
  recipe.shard_bytes = 300 * 1024;
  const Bundle bundle(recipe);
  const Json external =
      bundle.json("config.json").at("transformers.js_config").at("use_external_data_format");
  EXPECT_EQ(external.size(), recipe.variants.size());
  for (const auto& [file, count] : external.items()) {
    std::set<std::string> used;
    for (const auto& [name, tensor] : read_onnx(bundle / ("onnx/" + file)).external)
      used.insert(tensor.location);
    EXPECT_EQ(count.get<std::size_t>(), used.size()) << file;
    for (std::size_t i = 0; i < used.size(); ++i)
      EXPECT_TRUE(used.contains(file + "_data" + (i == 0 ? "" : "_" + std::to_string(i))));
  }
}

INSTANTIATE_TEST_SUITE_P(Bundle, WrittenBundle,
                         testing::Values("sst2-bert-tiny", "bert-fill-mask", "mobilebert-fill-mask",
                                         "albert-text-classification-3", "bert-feature-extraction-bf16",
                                         "distilbert-text-classification-f16-sharded"));

// The masked-language head of BERT multiplies with the word embeddings: one tensor of the checkpoint, and of
// the bundle.
TEST(TiedWeights, AreStoredOnceAndReadTwice) {
  for (const char* name : {"bert-fill-mask", "bert-fill-mask-decoder", "roberta-fill-mask",
                           "electra-fill-mask", "distilbert-fill-mask"}) {
    SCOPED_TRACE(name);
    const Bundle bundle(recipe_of(fixture(name)));
    for (const Json& variant : bundle.manifest().at("variants")) {
      SCOPED_TRACE(variant.at("dtype"));
      const OnnxFile onnx = read_onnx(bundle / variant.at("file").get<std::string>());
      std::vector<const Json*> words;
      for (const Json& tensor : variant.at("tensors")) {
        if (tensor.at("role") == "word_embedding" || tensor.at("role") == "head") words.push_back(&tensor);
      }
      ASSERT_EQ(words.size(), 1u) << "one weight is embedding and head";
      // Every stored part of it is one initializer, at a place of its own, that an embedding and a linear
      // read.
      for (const Json& part : words[0]->at("parts")) {
        std::vector<std::string> values;
        for (const auto& [initializer, tensor] : onnx.external) {
          if ("onnx/" + tensor.location == part.at("file") && tensor.offset == part.at("offset"))
            values.push_back(initializer);
        }
        std::set<std::string> readers;
        for (const onnx::NodeProto& node : onnx.model.graph().node()) {
          for (const std::string& input : node.input()) {
            if (std::ranges::find(values, input) != values.end()) readers.insert(node.op_type());
          }
        }
        EXPECT_TRUE(readers.contains("Gather")) << part.at("name");
        EXPECT_TRUE(readers.contains("Gemm") || readers.contains("MatMulNBits")) << part.at("name");
      }
      std::set<std::pair<std::string, std::int64_t>> places;
      std::int64_t bytes = 0;
      for (const auto& [initializer, tensor] : onnx.external) {
        if (places.emplace(tensor.location, tensor.offset).second) bytes += tensor.length;
      }
      std::int64_t stated = 0;
      for (const Json& tensor : variant.at("tensors")) stated += tensor.at("bytes").get<std::int64_t>();
      EXPECT_EQ(bytes, stated);
    }
  }
}

TEST(TiedWeights, TakeNoMoreSpaceWhenTheFileHoldsThemTwice) {
  const test::TempFolder folder;
  const fs::path source = fixture("bert-fill-mask");
  std::vector<test::FloatTensor> tensors;
  for (const TensorSourcePtr& tensor : open_safetensors(source / "model.safetensors").tensors) {
    tensors.push_back({tensor->spec().name, tensor->spec().shape, read_all_as_float(*tensor)});
    if (!tensor->spec().name.ends_with("word_embeddings.weight")) continue;
    tensors.push_back(tensors.back());
    tensors.back().name = "cls.predictions.decoder.weight";
  }
  folder.write("config.json", bytes_of(source / "config.json"));
  folder.write("model.safetensors", test::safetensors_of(tensors));
  EXPECT_GT(fs::file_size(folder / "model.safetensors"), fs::file_size(source / "model.safetensors") + 5000);
  const Bundle once(recipe_of(source)), twice(recipe_of(folder.path()));
  for (const PlannedVariant& variant : once.plan().variants) {
    const std::string shard = "onnx/" + variant.layout.shards.at(0).name;
    EXPECT_TRUE(bytes_of(once / shard) == bytes_of(twice / shard)) << shard;
  }
}

std::string gunzip(const std::string& packed, std::size_t size) {
  std::string plain(size + 1, '\0');
  z_stream state{};
  EXPECT_EQ(inflateInit2(&state, 15 + 16), Z_OK);
  state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  state.avail_in = static_cast<uInt>(packed.size());
  state.next_out = reinterpret_cast<Bytef*>(plain.data());
  state.avail_out = static_cast<uInt>(plain.size());
  EXPECT_EQ(inflate(&state, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(state.avail_in, 0u);
  plain.resize(state.total_out);
  inflateEnd(&state);
  return plain;
}

std::string unzstd(const std::string& packed, std::size_t size) {
  std::string plain(size + 1, '\0');
  const std::size_t got = ZSTD_decompress(plain.data(), plain.size(), packed.data(), packed.size());
  EXPECT_FALSE(ZSTD_isError(got)) << ZSTD_getErrorName(got);
  plain.resize(ZSTD_isError(got) ? 0 : got);
  return plain;
}

TEST(Twins, DecodeToTheSameBytesWithinTheirBound) {
  const test::TempFolder folder;
  const std::string model = bytes_of(small_model() / "model.safetensors");
  std::string noise;
  for (std::uint32_t x = 1; noise.size() < (3u << 20) + 17; x = x * 1664525 + 1013904223)
    noise += static_cast<char>(x >> 24);
  const std::vector<std::string> contents = {"",
                                             "a",
                                             std::string(5 << 20, '\0'),
                                             model,
                                             noise,
                                             noise.substr(0, 1 << 20),
                                             noise.substr(0, (1 << 20) + 1)};
  for (const std::string& content : contents) {
    SCOPED_TRACE(content.size());
    const fs::path plain = folder.write("plain", content);
    for (const Compression& compression : compressions()) {
      SCOPED_TRACE(compression.name);
      const fs::path packed = folder / ("packed" + std::string(compression.extension));
      fs::remove(packed);
      compression.compress(plain, packed);
      const std::string bytes = bytes_of(packed);
      EXPECT_LE(std::ssize(bytes), compression.bound(std::ssize(content)));
      EXPECT_TRUE((compression.name == "gzip" ? gunzip : unzstd)(bytes, content.size()) == content);
    }
  }
}

}  // namespace
}  // namespace bantam
