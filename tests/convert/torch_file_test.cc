#include "convert/torch_file.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/file.h"
#include "convert/checkpoint.h"
#include "convert/safetensors.h"
#include "tests/convert/checkpoint_files.h"
#include "tests/convert/fixtures.h"
#include "tests/convert/torch_files.h"

namespace bantam {
namespace {

using namespace test;
namespace fs = std::filesystem;

fs::path torch_data(std::string_view name) {
  return fs::path(BANTAM_TESTDATA) / "torch" / name;
}

std::map<std::string, TensorSourcePtr> by_name(const WeightFile& file) {
  std::map<std::string, TensorSourcePtr> tensors;
  for (const TensorSourcePtr& tensor : file.tensors) tensors.emplace(tensor->spec().name, tensor);
  EXPECT_EQ(tensors.size(), file.tensors.size());
  return tensors;
}

std::vector<std::byte> bytes_of(const TensorSource& source, RowRange rows) {
  std::vector<std::byte> bytes(
      static_cast<std::size_t>(rows.count() * byte_size(source.spec().dtype, source.spec().width())));
  source.read(rows, bytes);
  return bytes;
}

std::string file_of(const std::string& value,
                    const std::vector<std::pair<std::string, std::string>>& storages = {},
                    std::string_view byte_order = "little") {
  return torch_file(pickle_of(value), storages, byte_order);
}

void expect_refused(const std::string& bytes, std::initializer_list<std::string_view> parts) {
  const TempFolder folder;
  const fs::path path = folder.write("pytorch_model.bin", bytes);
  const std::string message = error_of([&] { open_torch_file(path); });
  EXPECT_TRUE(message.starts_with(path.string())) << message;
  EXPECT_TRUE(has_parts(message, parts));
}

// What torch wrote, every view and every element type, against what safetensors wrote of the same tensors.
TEST(TorchFile, ReadsWhatTorchWrote) {
  for (const char* name : {"views.bin", "protocol4.bin"}) {
    const auto expected = by_name(open_safetensors(torch_data("views.safetensors")));
    const auto actual = by_name(open_torch_file(torch_data(name)));
    ASSERT_EQ(actual.size(), expected.size());
    EXPECT_GT(actual.size(), 20U);
    for (const auto& [tensor, source] : expected) {
      ASSERT_TRUE(actual.contains(tensor)) << tensor;
      const TensorSource& read = *actual.at(tensor);
      ASSERT_EQ(read.spec(), source->spec());
      const std::int64_t rows = read.spec().rows();
      EXPECT_EQ(bytes_of(read, {0, rows}), bytes_of(*source, {0, rows})) << tensor;
      for (std::int64_t begin = 0; begin < rows; ++begin) {
        for (std::int64_t end = begin; end <= rows; ++end) {
          EXPECT_EQ(bytes_of(read, {begin, end}), bytes_of(*source, {begin, end})) << tensor << begin << end;
        }
      }
    }
  }
}

TEST(TorchFile, PointsAtBytesOfTheFileAndCopiesNothing) {
  const auto tensors = by_name(open_torch_file(torch_data("views.bin")));
  const FilePlace whole = tensors.at("contiguous")->place(), slice = tensors.at("shared.slice")->place();
  ASSERT_NE(whole.file, nullptr);
  EXPECT_EQ(whole.file, slice.file);
  EXPECT_EQ(slice.offset - whole.offset, 2 * 11 * 3 * 4);
  EXPECT_EQ(tensors.at("transposed")->place().file, nullptr);
}

TEST(TorchFile, TakesOffWhatTrainersWrapAroundAStateDict) {
  const WeightFile file = open_torch_file(torch_data("nested.bin"));
  const auto tensors = by_name(file);
  EXPECT_EQ(tensors.size(), 7U);
  EXPECT_TRUE(tensors.contains("0.weight"));
  EXPECT_EQ(tensors.at("1.num_batches_tracked")->spec().dtype, DType::kI64);
  ASSERT_EQ(file.notes.size(), 2U);
  EXPECT_TRUE(has_parts(file.notes[0], {"state_dict", "passed over"}));
  EXPECT_TRUE(has_parts(file.notes[1], {"module."}));
}

TEST(TorchFile, WrapsAreTakenOffOnlyWhereOneThingCanBeMeant) {
  const std::string tensor = pickle_tensor(pickle_storage("FloatStorage", "0", 1), 0, {1}, {1});
  const std::vector<std::pair<std::string, std::string>> storage = {{"0", std::string(4, '\0')}};
  const std::string inner = pickle_dict({{"a", tensor}});
  const TempFolder folder;
  const auto names = [&](const std::string& value) {
    std::string text;
    for (const auto& source : open_torch_file(folder.write("f", file_of(value, storage))).tensors)
      text += source->spec().name + " ";
    return text;
  };
  EXPECT_EQ(names(pickle_dict({{"model", inner}, {"optimizer", "}"}})), "a ");
  EXPECT_EQ(names(pickle_dict({{"module.a", tensor}, {"b", tensor}})), "b module.a ");
  EXPECT_EQ(names(pickle_dict({{"_orig_mod.module.a", tensor}})), "a ");
  EXPECT_EQ(names("}"), "");
  expect_refused(file_of(pickle_dict({{"model", inner}, {"state_dict", inner}}), storage),
                 {"more than one dictionary"});
  expect_refused(file_of(pickle_dict({{"encoder", inner}, {"decoder", inner}}), storage),
                 {"no tensors at its top"});
  expect_refused(file_of(pickle_dict({{"a", tensor}, {"epoch", "K\x03"}}), storage),
                 {"\"epoch\"", "an integer where a tensor"});
  expect_refused(file_of(pickle_dict({{"a", tensor}, {"state_dict", inner}}), storage),
                 {"\"state_dict\"", "a dictionary where a tensor"});
  expect_refused(file_of(pickle_dict({{"a", tensor}, {"a", tensor}}), storage), {"\"a\"", "twice"});
  expect_refused(file_of("}K\x01" + tensor + "s", storage), {"a key is an integer"});
  expect_refused(file_of(pickle_dict({{"a\x1b[2J", tensor}}), storage), {"control characters"});
  expect_refused(file_of("]"), {"a list where a state dict"});
  expect_refused(file_of(tensor, storage), {"a tensor where a state dict"});
}

TEST(TorchFile, RefusesProgramsByTheNamesTheyAskFor) {
  for (const auto& [module, name] :
       {std::pair("posix", "system"), {"__builtin__", "eval"}, {"webbrowser", "open"}}) {
    const std::string full = std::string(module) + "." + name;
    expect_refused(file_of(pickle_dict({{"a", pickle_call(module, name, {pickle_text("x")})}})),
                   {"data.pkl", "pickle asks for", full, "refused"});
  }
  expect_refused(read_text_file(torch_data("module.bin"), 1 << 20),
                 {"pickle asks for", "torch.nn.modules.container.Sequential"});
}

TEST(TorchFile, RefusesTensorsWhoseSignIsABit) {
  expect_refused(read_text_file(torch_data("negative.bin"), 1 << 20),
                 {"data.pkl", "_rebuild_tensor_v2", "\"neg\""});
}

TEST(TorchFile, RefusesOlderAndOtherFormatsWithAdvice) {
  expect_refused(read_text_file(torch_data("legacy.bin"), 1 << 20),
                 {"torch before 1.6", "torch.load(..., weights_only=True)", "save_file"});
  std::string tar(1024, '\0');
  tar.replace(257, 5, "ustar");
  expect_refused(tar, {"tar format", "torch.load"});
  expect_refused("version https://git-lfs.github.com/spec/v1\n", {"Git-LFS"});
  expect_refused("<!doctype html>", {"web page"});
  expect_refused("GGUF" + std::string(100, '\0'), {"GGUF"});
  expect_refused("", {"does not begin as a zip"});
  expect_refused(std::string(300, '\1'), {"does not begin as a zip"});
  expect_refused(zip_of({{"word/document.xml", "x"}}), {"without a data.pkl"});
  expect_refused(zip_of({{"data.pkl", "x"}}), {"without a data.pkl"});
  expect_refused(zip_of({{"a/data.pkl", "x"}, {"b/data.pkl", "x"}}), {"two state dicts"});
  expect_refused(zip_of({{"a/data.pkl", pickle_of("}")}, {"a/constants.pkl", "x"}}), {"TorchScript"});
  expect_refused(file_of("}", {}, "big"), {"byte order", "\"big\""});
  expect_refused(file_of("}", {}, std::string(1000, 'x')), {"byteorder", "1000 bytes"});
  EXPECT_TRUE(open_torch_file(TempFolder().write("f", file_of("}", {}, ""))).tensors.empty());
}

TEST(TorchFile, RefusesStoragesThatTheArchiveDoesNotHold) {
  const auto file = [](std::int64_t elements, std::string_view key, std::size_t bytes) {
    const std::string tensor = pickle_tensor(pickle_storage("FloatStorage", key, elements), 0, {3}, {1});
    return file_of(pickle_dict({{"w", tensor}}), {{"0", std::string(bytes, '\0')}});
  };
  const TempFolder folder;
  EXPECT_EQ(open_torch_file(folder.write("f", file(3, "0", 12))).tensors.size(), 1U);
  expect_refused(file(3, "1", 12), {"\"w\"", "storage \"1\" is not in the archive"});
  expect_refused(file(3, "../data.pkl", 12), {"\"w\"", "not in the archive"});
  expect_refused(file(3, "0", 11), {"\"w\"", "11 bytes", "12"});
  expect_refused(file(3, "0", 13), {"\"w\"", "13 bytes", "12"});
  expect_refused(file(std::int64_t{1} << 58, "0", 12), {"\"w\"", "12 bytes"});
}

// --- Checkpoints

// A folder with config.json of a fixture and a weight file of testdata/torch.
void write_twin(const TempFolder& folder, std::string_view fixture_name) {
  fs::copy(fixture(fixture_name) / "config.json", folder / "config.json");
  fs::copy(torch_data(std::string(fixture_name) + ".bin"), folder / "pytorch_model.bin");
}

TEST(TorchCheckpoint, IsReadWhereThereAreNoSafetensors) {
  const TempFolder folder;
  write_twin(folder, "bert-text-classification-3");
  const Checkpoint expected = open_checkpoint(fixture("bert-text-classification-3").string());
  const Checkpoint actual = open_checkpoint(folder.string());
  ASSERT_EQ(actual.files.size(), 1U);
  EXPECT_EQ(actual.files[0].name, "pytorch_model.bin");
  ASSERT_EQ(actual.tensors.size(), expected.tensors.size());
  for (const auto& [name, source] : expected.tensors) {
    ASSERT_EQ(actual.tensors.at(name)->spec(), source->spec());
    EXPECT_EQ(bytes_of(*actual.tensors.at(name), {0, source->spec().rows()}),
              bytes_of(*source, {0, source->spec().rows()}));
  }
  fs::copy(fixture("bert-text-classification-3") / "model.safetensors", folder / "model.safetensors");
  EXPECT_EQ(open_checkpoint(folder.string()).files[0].name, "model.safetensors");
}

TEST(TorchCheckpoint, ShardsFollowTheirIndex) {
  const auto shard = [](const std::string& name, float value) {
    return file_of(pickle_dict({{name, pickle_tensor(pickle_storage("FloatStorage", "0", 1), 0, {1}, {1})}}),
                   {{"0", float_bytes(std::span(&value, 1))}});
  };
  const TempFolder folder;
  folder.write("config.json", "{}");
  folder.write("pytorch_model-00001-of-00002.bin", shard("a", 1.5f));
  folder.write("pytorch_model-00002-of-00002.bin", shard("b", 2.5f));
  EXPECT_TRUE(has_parts(error_of([&] { open_checkpoint(folder.string()); }), {"download the index too"}));
  folder.write(
      "pytorch_model.bin.index.json",
      R"({"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}})");
  const Checkpoint checkpoint = open_checkpoint(folder.string());
  EXPECT_EQ(read_all_as_float(*checkpoint.tensors.at("b")), (std::vector{2.5f}));
  folder.write("pytorch_model-00002-of-00002.bin", shard("c", 2.5f));
  EXPECT_TRUE(has_parts(error_of([&] { open_checkpoint(folder.string()); }), {"holds c"}));
  folder.write("pytorch_model.bin.index.json",
               R"({"weight_map": {"a": "model-00001-of-00002.safetensors"}})");
  EXPECT_TRUE(has_parts(error_of([&] { open_checkpoint(folder.string()); }), {"is not a .bin file"}));
}

}  // namespace
}  // namespace bantam
