#include "pipeline/plan.h"

#include <functional>

#include "base/digest.h"
#include "shard/write.h"
#include "tests/pipeline/bundles.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;
using test::Bundle;
using test::files_under;
using test::fixture;
using test::recipe_of;
using test::small_model;

TEST(Plan, IsMadeWithoutReadingAWeight) {
  for (const std::string& name : test::fixture_names()) {
    SCOPED_TRACE(name);
    Checkpoint checkpoint = test::open_fixture(name);  // its sources abort when they are read
    ModelGraph model = build_model(checkpoint, std::nullopt);
    const Recipe recipe = recipe_of(fixture(name));
    const Plan plan = make_plan(recipe, std::move(checkpoint), std::move(model), {});
    EXPECT_FALSE(planned_files(plan).empty());
    EXPECT_GT(memory_bound(plan), 0);
    EXPECT_FALSE(plan_json(plan).empty());
  }
}

TEST(Plan, StatesTheFilesAndSizesThatAreWritten) {
  for (const char* name : {"bert-fill-mask", "bert-feature-extraction-bf16", "mobilebert-question-answering",
                           "bert-fill-mask-sharded"}) {
    SCOPED_TRACE(name);
    Recipe recipe = recipe_of(fixture(name));
    recipe.shard_bytes = 64 * 1024;
    recipe.hash_source = true;
    const Plan plan = plan_bundle(recipe, false, silent_progress());
    const auto written = files_under(Bundle(recipe).path());
    const std::vector<PlannedFile> planned = planned_files(plan);
    EXPECT_EQ(planned.size(), written.size());
    for (const PlannedFile& file : planned) {
      ASSERT_TRUE(written.contains(file.name)) << file.name;
      EXPECT_TRUE(file.exact) << file.name;
      EXPECT_EQ(file.bytes, std::ssize(written.at(file.name))) << file.name;
    }
  }
}

TEST(Plan, ListsWhatTheBundleThenStates) {
  const Bundle bundle(recipe_of(fixture("bert-fill-mask")));
  std::vector<std::string> names;
  for (const FileEntry& file : bundle.result().files) {
    names.push_back(file.name);
    EXPECT_EQ(file.bytes, static_cast<std::int64_t>(fs::file_size(bundle / file.name)));
    const std::string bytes = test::bytes_of(bundle / file.name);
    EXPECT_EQ(file.sha256, sha256_hex(std::as_bytes(std::span(bytes))));
  }
  std::vector<std::string> on_disk;
  for (const auto& [name, bytes] : files_under(bundle.path())) on_disk.push_back(name);
  EXPECT_EQ(names, on_disk);
}

// What is stored transposed is gathered in memory; with too little of it, in panels of a few columns.
TEST(TransposedWeights, AreTheSameBytesInPanelsOfAnyWidth) {
  const auto write = [](const Plan& plan, std::int64_t budget, int threads) {
    const test::TempFolder folder;
    write_weights(plan.write_targets(folder.path()), {.threads = threads, .transpose_bytes = budget},
                  silent_progress());
    return files_under(folder.path());
  };
  const std::vector<DtypeName> dtypes = {DtypeName::kQ8, DtypeName::kInt8, DtypeName::kUint8,
                                         DtypeName::kFp32};
  const Plan plan = plan_bundle(recipe_of(small_model(), dtypes), true, silent_progress());
  const auto whole = write(plan, std::int64_t{96} << 20, 1);
  EXPECT_EQ(whole.size(), 4u);
  for (const std::int64_t budget : {std::int64_t{30'000}, std::int64_t{131'072}, std::int64_t{999'999}}) {
    for (const int threads : {1, 3})
      EXPECT_TRUE(write(plan, budget, threads) == whole) << budget << " bytes, " << threads << " threads";
  }
  // One column at a time, on odd sizes.
  const Plan odd = plan_bundle(recipe_of(fixture("mobilebert-fill-mask"), dtypes), true, silent_progress());
  EXPECT_TRUE(write(odd, 1, 2) == write(odd, std::int64_t{96} << 20, 1));
}

TEST(TransposedWeights, StayWithinTheMemoryThatIsStated) {
  const Plan plan = plan_bundle(recipe_of(small_model(), {DtypeName::kQ8}), false, silent_progress());
  const auto targets = plan.write_targets({});
  const auto bound = [&](std::int64_t budget) {
    return write_memory_bound(targets, {.threads = 2, .transpose_bytes = budget});
  };
  EXPECT_LT(bound(100'000), bound(10'000'000));
  EXPECT_GE(bound(10'000'000), 512 * 128);
}

// By name: what the plan's only variant makes of the weights.
Json tensors_of(const Recipe& recipe) {
  const Json plan = parse_json(plan_json(plan_bundle(recipe, false, silent_progress())));
  Json found = Json::object();
  for (const Json& tensor : plan.at("variants").at(0).at("tensors"))
    found[tensor.at("name").get<std::string>()] = tensor;
  return found;
}

TEST(Rules, ChangeWhatTheyMatchAndNothingElse) {
  const std::string query = "bert.encoder.layer.0.attention.self.query.weight",
                    up = "bert.encoder.layer.0.intermediate.dense.weight";
  Recipe recipe = recipe_of(small_model(), {DtypeName::kQ4});
  const Json before = tensors_of(recipe);
  recipe.variants[0].rules = {{.role = Role::kAttentionQ, .keep = true},
                              {.match = "*layer.0.inter*", .bits = 8}};
  const Json after = tensors_of(recipe);
  EXPECT_EQ(before.size(), after.size());
  for (const auto& [name, tensor] : after.items()) {
    SCOPED_TRACE(name);
    if (tensor.at("role") == "attention_q" || name == up) continue;
    EXPECT_EQ(tensor.at("encoding"), before.at(name).at("encoding"));
    EXPECT_EQ(tensor.at("bytes"), before.at(name).at("bytes"));
  }
  EXPECT_EQ(after.at(query).at("bytes"), 128 * 128 * 4);
  EXPECT_EQ(before.at(query).at("bytes"),
            128 * 128 / 2 + 128 * 4 * 4);                    // codes, and a float32 scale per 32 weights
  EXPECT_EQ(after.at(up).at("bytes"), 512 * 128 + 512 * 4);  // one scale per 128
}

TEST(Rules, ReachLayersBlocksAndZeroPoints) {
  Recipe recipe = recipe_of(small_model(), {DtypeName::kQ4});
  const Json before = tensors_of(recipe);
  recipe.variants[0].rules = {{.layers = LayerRange{1, 2}, .bits = 8},
                              {.role = Role::kAttentionQ,
                               .layers = LayerRange{2, 2},
                               .bits = 4,
                               .block_size = 64,
                               .symmetric = false}};
  const Json after = tensors_of(recipe);
  for (const auto& [name, tensor] : after.items()) {
    SCOPED_TRACE(name);
    const std::string encoding = tensor.at("encoding").get<std::string>();
    if (name == "bert.encoder.layer.2.attention.self.query.weight") {
      EXPECT_EQ(encoding, "int4/block=64/asymmetric/search");
    } else if ((name.find(".1.") != std::string::npos || name.find(".2.") != std::string::npos) &&
               before.at(name).at("encoding").get<std::string>().starts_with("int4")) {
      EXPECT_EQ(encoding, "int8/block=128/symmetric");
    } else {
      EXPECT_EQ(tensor.at("encoding"), before.at(name).at("encoding"));
    }
  }
}

TEST(Rules, AreOverruledByLaterOnes) {
  const std::string query = "bert.encoder.layer.2.attention.self.query.weight";
  Recipe recipe = recipe_of(small_model(), {DtypeName::kQ8});
  recipe.variants[0].rules = {{.match = "*", .keep = true}, {.role = Role::kAttentionQ, .bits = 4}};
  const Json tensors = tensors_of(recipe);
  EXPECT_TRUE(tensors.at(query).at("encoding").get<std::string>().starts_with("int4/"));
  EXPECT_EQ(tensors.at("bert.encoder.layer.2.attention.self.key.weight").at("bytes"), 128 * 128 * 4);
}

}  // namespace
}  // namespace bantam
