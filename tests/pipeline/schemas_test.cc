// The schemas, and everything that the writer emits held against them.
#include "pipeline/schemas.h"

#include <functional>

#include "pipeline/inspect.h"
#include "pipeline/verify/verify.h"
#include "shard/compress.h"
#include "tests/pipeline/bundles.h"

namespace bantam {
namespace {

using test::Bundle;
using test::fixture;
using test::recipe_of;

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::ranges::sort(names);
  return names;
}

Json schema_file(const std::string& name) {
  return read_json_file(std::filesystem::path(BANTAM_SOURCE_DIR) / "schemas" / name);
}

TEST(Schemas, AreInTheBinaryAsTheyAreInTheRepository) {
  std::size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(BANTAM_SOURCE_DIR) / "schemas")) {
    ++files;
    const auto found = std::ranges::find(schema_texts(), entry.path().filename().string(), &SchemaText::name);
    ASSERT_NE(found, schema_texts().end()) << entry.path();
    EXPECT_EQ(found->text, test::bytes_of(entry.path()));
  }
  EXPECT_EQ(files, schema_texts().size());
  EXPECT_GE(files, 5u);
}

TEST(Schemas, KnowTheSameWordsAsTheTables) {
  const Json definitions = schema_file("recipe.schema.json").at("definitions");
  std::vector<std::string> dtypes_known, tasks_known, roles_known, compressions_known, methods_known,
      stored_known;
  for (const auto& entry : dtype_names()) dtypes_known.emplace_back(entry.name);
  for (const auto& entry : tasks()) tasks_known.emplace_back(entry.name);
  for (const auto& entry : roles()) roles_known.emplace_back(entry.name);
  for (const auto& entry : compressions()) compressions_known.emplace_back(entry.name);
  for (const auto& entry : methods()) methods_known.emplace_back(entry.name);
  for (const auto& entry : dtypes()) {
    if (entry.dtype != DType::kUndefined) stored_known.emplace_back(entry.name);
  }
  const auto words = [](const Json& node) { return sorted(node.at("enum").get<std::vector<std::string>>()); };
  EXPECT_EQ(words(definitions.at("dtype")), sorted(dtypes_known));
  EXPECT_EQ(words(definitions.at("task")), sorted(tasks_known));
  EXPECT_EQ(words(definitions.at("role")), sorted(roles_known));
  EXPECT_EQ(words(definitions.at("variant").at("properties").at("method")), sorted(methods_known));
  EXPECT_EQ(words(schema_file("recipe.schema.json").at("properties").at("compress").at("items")),
            sorted(compressions_known));
  EXPECT_EQ(words(schema_file("manifest.schema.json").at("definitions").at("stored")), sorted(stored_known));
}

class WrittenFiles : public testing::TestWithParam<std::string> {};

TEST_P(WrittenFiles, FollowTheirSchemas) {
  Recipe recipe = recipe_of(fixture(GetParam()));
  recipe.compress = {"gzip"};
  recipe.hash_source = true;
  recipe.variants.back().rules = {{.role = Role::kAttentionQ, .match = "*", .keep = true}};
  recipe.shard_bytes = 64 * 1024;
  const Bundle bundle(recipe);
  check_schema("manifest.schema.json", bundle.manifest());
  check_schema("manifest.schema.json", parse_json(bundle.result().manifest));
  check_schema("plan.schema.json", parse_json(plan_json(bundle.plan())));
  int indexes = 0;
  for (const FileEntry& file : bundle.result().files) {
    if (!file.name.starts_with("tensor-cache")) continue;
    check_schema("tensor-cache.schema.json", bundle.json(file.name));
    ++indexes;
  }
  EXPECT_EQ(indexes, std::ssize(recipe.variants));
  check_schema("recipe.schema.json", recipe_json(recipe));
  check_schema("inspect.schema.json", parse_json(inspection_json(inspect(fixture(GetParam()).string()))));
  check_schema("inspect.schema.json", parse_json(inspection_json(inspect(bundle.path().string()))));
  check_schema("verify.schema.json",
               parse_json(verification_json(verify(bundle.path(), {}, silent_progress()))));
  check_schema("inspect.schema.json",
               parse_json(inspection_json(inspect((bundle / "onnx/model_q4.onnx").string()))));
  check_schema("inspect.schema.json",
               parse_json(inspection_json(inspect((fixture(GetParam()) / "golden.safetensors").string()))));
}

INSTANTIATE_TEST_SUITE_P(Schemas, WrittenFiles,
                         testing::Values("bert-fill-mask", "distilbert-text-classification-3",
                                         "mobilebert-question-answering", "albert-token-classification",
                                         "mpnet-feature-extraction-sentence-vocab",
                                         "roberta-fill-mask-untied", "bert-feature-extraction-f16"));

// Every one of these changes must be noticed: a schema that lets them through would prove nothing above.
TEST(Schemas, RefuseFilesThatAreWrong) {
  const Bundle bundle(recipe_of(fixture("bert-fill-mask"), {DtypeName::kQ8, DtypeName::kQ4}));
  struct Case {
    const char* schema;
    Json right;
    const char* pointer;
    Json wrong;  // discarded: the key is removed
  };
  const Json removed(Json::value_t::discarded);
  const Json manifest = bundle.manifest(), cache = bundle.json("tensor-cache.json");
  const Json plan = parse_json(plan_json(bundle.plan()));
  const Json shown = parse_json(inspection_json(inspect(bundle.path().string())));
  const std::vector<Case> cases = {
      {"manifest.schema.json", manifest, "/schema_version", 2},
      {"manifest.schema.json", manifest, "/model/parameters", removed},
      {"manifest.schema.json", manifest, "/model/task", "guessing"},
      {"manifest.schema.json", manifest, "/model/extra", 1},
      {"manifest.schema.json", manifest, "/recipe/variants/0/block_size", 33},
      {"manifest.schema.json", manifest, "/recipe/threads", 2},
      {"manifest.schema.json", manifest, "/variants/0/tensors/0/role", "nose"},
      {"manifest.schema.json", manifest, "/variants/0/tensors/0/parts/0/offset", -1},
      {"manifest.schema.json", manifest, "/variants/0/tensors/0/parts/0/dtype", "float8"},
      {"manifest.schema.json", manifest, "/variants/0/shards", 101},
      {"manifest.schema.json", manifest, "/files/0/sha256", "no digest"},
      {"manifest.schema.json", manifest, "/files/0/bytes", 1.5},
      {"plan.schema.json", plan, "/plan/files/0/exact", 1},
      {"plan.schema.json", plan, "/plan/peak_memory_bytes", removed},
      {"plan.schema.json", plan, "/files", Json::array()},
      {"tensor-cache.schema.json", cache, "/records/0/format", "raw"},
      {"tensor-cache.schema.json", cache, "/records/0/md5sum", "0"},
      {"tensor-cache.schema.json", cache, "/records/0/records/0/nbytes", "10"},
      {"tensor-cache.schema.json", cache, "/records/0/records/0/format", "f32-to-bf16"},
      {"tensor-cache.schema.json", cache, "/records/0/records/0/dtype", "int4"},
      {"tensor-cache.schema.json", cache, "/metadata/ParamSize", removed},
      {"inspect.schema.json", shown, "/parameters", removed},
      {"inspect.schema.json", shown, "/inputs/0/dims/0", 1.5},
      {"inspect.schema.json", shown, "/variants/0/ops/0/count", 0},
      {"inspect.schema.json", shown, "/kind", "folder"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.schema) + c.pointer);
    Json changed = c.right;
    check_schema(c.schema, changed);
    const Json::json_pointer place(c.pointer);
    if (c.wrong.is_discarded()) {
      ASSERT_EQ(changed[place.parent_pointer()].erase(place.back()), 1u);
    } else {
      changed[place] = c.wrong;
    }
    EXPECT_FALSE(test::error_of([&] { check_schema(c.schema, changed); }).empty());
  }
}

}  // namespace
}  // namespace bantam
