// What `bantam run --json` prints follows its schema, for every kind of answer; what the answers are is
// tested from outside (tests/cli/run_test.py).
#include "pipeline/answer/run_result.h"

#include <cmath>

#include "pipeline/schemas.h"
#include "tests/pipeline/bundles.h"

namespace bantam {
namespace {

RunResult result_of(decltype(Answer::value) value) {
  RunResult result;
  result.model = "bundle";
  result.dtype = "q8";
  result.task = "some-task";
  result.questions = {{"Zoë", "pair", "--text"}};
  result.answers = {{std::move(value), 5, 2}};
  return result;
}

TEST(RunResult, FollowsItsSchemaForEveryKindOfAnswer) {
  const std::vector<RunResult> results = {
      result_of(LabelScores{{"a", 0.5}, {"b", NAN}}),
      result_of(Entities{{"PER", 0.5, "Zoë", 0, 3}}),
      result_of(Entities{}),
      result_of(SpanAnswer{"pair", 0.5, 0, 4}),
      result_of(Embedding{1, -2.5F, NAN}),
      result_of(MaskFillings{{{3, "x", 0.5, "an x"}}, {}}),
  };
  for (const RunResult& result : results) {
    const Json json = parse_json(run_json(result));
    check_schema("run.schema.json", json);
    EXPECT_EQ(json["answers"][0]["text"], "Zoë");
    EXPECT_FALSE(run_table(result).empty());
  }
}

TEST(RunResult, FollowsItsSchemaForTensors) {
  RunResult result;
  result.model = "model.onnx";
  result.outputs.emplace("logits", Tensor::of<float>({1, 2}, std::vector<float>{1, NAN}));
  result.outputs.emplace("ids", Tensor::of<std::int64_t>({}, std::vector<std::int64_t>{7}));
  result.profile = {{"Gemm", 2, 0.5, 1.0}};
  const Json json = parse_json(run_json(result));
  check_schema("run.schema.json", json);
  EXPECT_TRUE(json["dtype"].is_null());
  const std::string table = run_table(result);
  EXPECT_TRUE(test::has_parts(table, {"logits", "[1, 2]", "float32", "ids", "Gemm", "100.0 %"})) << table;
}

TEST(RunSchema, RefusesResultsThatAreWrong) {
  const Json right = parse_json(run_json(result_of(LabelScores{{"a", 0.5}})));
  check_schema("run.schema.json", right);
  for (const auto& [place, wrong] :
       std::vector<std::pair<const char*, Json>>{{"/answers/0/labels/0/score", "high"},
                                                 {"/answers/0/tokens", -1},
                                                 {"/answers/0/extra", 1},
                                                 {"/profile/0", {{"op", "Gemm"}}},
                                                 {"/outputs", nullptr}}) {
    Json changed = right;
    changed[Json::json_pointer(place)] = wrong;
    EXPECT_FALSE(test::error_of([&] { check_schema("run.schema.json", changed); }).empty()) << place;
  }
}

}  // namespace
}  // namespace bantam
