#include "convert/weights.h"

#include <gtest/gtest.h>

#include "tests/convert/checkpoint_files.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;

struct Spec {
  std::string name;
  Shape shape = {2};
  DType dtype = DType::kF32;
};

// A checkpoint of zeros.
Checkpoint checkpoint_of(const std::vector<Spec>& specs) {
  Checkpoint checkpoint{"dir", "dir", Config("dir/config.json", Json::object()), {}, {}, {}};
  for (const Spec& spec : specs) {
    const TensorSpec tensor{spec.name, spec.dtype, spec.shape};
    checkpoint.tensors[spec.name] =
        make_memory_source(tensor, std::vector<std::byte>(static_cast<std::size_t>(tensor.bytes())));
  }
  return checkpoint;
}

TEST(Weights, AreCompleteWhenEachIsClaimedOrDropped) {
  Weights weights(checkpoint_of({{"a"}, {"b", {3, 4}, DType::kBF16}, {"c"}}));
  EXPECT_EQ(weights.claim("a", {2})->spec().name, "a");
  EXPECT_EQ(weights.claim({"x", "b"}, {3, 4})->spec().dtype, DType::kBF16);
  EXPECT_EQ(weights.drop({"c", "d"}), std::vector<std::string>{"c"});
  weights.finish();
}

TEST(Weights, ReportsMissingLeftOverAndMismatchedTogether) {
  Weights weights(checkpoint_of({{"left"}, {"shape", {3, 4}}, {"type", {2}, DType::kI8}}));
  EXPECT_EQ(weights.claim("shape", {4, 4})->spec().shape, (Shape{4, 4}));
  const TensorSourcePtr placeholder = weights.claim({"gone.weight", "gone.gamma"}, {5, 6});
  EXPECT_EQ(placeholder->spec(), (TensorSpec{"gone.weight", DType::kF32, {5, 6}}));
  EXPECT_TRUE(has_parts(error_of([&] { read_all_as_float(*placeholder); }), {"gone.weight", "missing"}));
  weights.claim("type", {2});
  EXPECT_EQ(error_of([&] { weights.finish(); }),
            "dir: 2 tensors disagree with config.json: shape [3, 4] where [4, 4] was expected, type of type "
            "int8 where "
            "floats were expected; 1 tensor is missing: gone.weight or gone.gamma; 1 tensor has no place in "
            "the model: "
            "left");
}

TEST(Weights, ListsAtMostTenOfEachInOrder) {
  std::vector<Spec> specs;
  for (int i = 0; i < 30; ++i) specs.push_back({fmt::format("left{:02}", 29 - i)});
  Weights weights(checkpoint_of(specs));
  for (int i = 0; i < 12; ++i) weights.claim(fmt::format("gone{:02}", 11 - i), {1});
  const std::string message = error_of([&] { weights.finish(); });
  EXPECT_TRUE(has_parts(message, {"12 tensors are missing: gone00, gone01,", "gone09 and 2 more",
                                  "30 tensors have no place in the model: left00,", "left09 and 20 more"}));
  EXPECT_EQ(message.find("left10"), message.npos);
}

TEST(Weights, StripOnePrefixFromTheNamesThatHaveIt) {
  Weights weights(checkpoint_of({{"bert.a"}, {"bert.bert.a"}, {"cls.b"}, {"model.c"}}));
  weights.strip_prefix({"roberta.", "bert.", "model."});
  EXPECT_TRUE(weights.has("a"));
  EXPECT_TRUE(weights.has("bert.a"));  // was bert.bert.a
  EXPECT_TRUE(weights.has("cls.b"));
  EXPECT_TRUE(weights.has("model.c"));
  EXPECT_FALSE(weights.has("bert.bert.a"));
  EXPECT_EQ(weights.claim("a", {2})->spec().name, "bert.a");
  // Messages speak of the names in the file.
  EXPECT_TRUE(has_parts(error_of([&] { weights.finish(); }), {"3 tensors", "bert.bert.a, cls.b, model.c"}));
}

TEST(Weights, RefuseTwoTensorsOfOneNameAfterStripping) {
  Weights weights(checkpoint_of({{"a"}, {"bert.a"}}));
  EXPECT_TRUE(has_parts(error_of([&] { weights.strip_prefix({"bert."}); }), {"dir: ", "both bert.a and a"}));
}

TEST(Weights, DropByNamePrefixOrSuffixButNotWhatIsClaimed) {
  Weights weights(checkpoint_of({{"cls.a"}, {"cls.b"}, {"x.position_ids"}, {"exact"}, {"exact.more"}}));
  weights.claim("cls.b", {2});
  EXPECT_EQ(weights.drop({"*.position_ids", "cls.*", "exact"}),
            (std::vector<std::string>{"cls.a", "exact", "x.position_ids"}));
  EXPECT_TRUE(
      has_parts(error_of([&] { weights.finish(); }), {"1 tensor has no place in the model: exact.more"}));
}

TEST(Weights, OneNameOfTwoSpellingsIsClaimedTheOtherIsLeftOver) {
  Weights weights(checkpoint_of({{"n.gamma"}, {"n.weight"}}));
  EXPECT_EQ(weights.claim({"n.weight", "n.gamma"}, {2})->spec().name, "n.weight");
  EXPECT_TRUE(has_parts(error_of([&] { weights.finish(); }), {"no place in the model: n.gamma"}));
}

TEST(Weights, AreHandedOutAgainToTiedHeads) {
  Weights weights(checkpoint_of({{"embedding"}}));
  EXPECT_EQ(weights.claim("embedding", {2}), weights.claim("embedding", {2}));
  weights.finish();
}

TEST(Weights, GiveUpOnConfigsThatAskForEndlessLayers) {
  Weights weights(checkpoint_of({{"a"}}));
  int claimed = 0;
  const std::string message = error_of([&] {
    for (std::int64_t i = 0; i < std::int64_t{1} << 30; ++i, ++claimed)
      weights.claim(fmt::format("layer.{}", i), {1});
  });
  EXPECT_TRUE(has_parts(message, {"dir: 1000 tensors are missing: layer.0", "990 more"}));
  EXPECT_EQ(message.find("no place"), message.npos);  // the build had not come to them yet
  EXPECT_LT(claimed, 1000);
}

TEST(Weights, RefuseShapesThatNoFileCanHold) {
  Weights weights(checkpoint_of({{"a"}}));
  EXPECT_TRUE(has_parts(error_of([&] {
                          weights.claim("a", {1 << 30, 1 << 30, 1 << 30});
                        }),
                        {"dir: config.json asks for a of shape [1073741824, 1073741824, 1073741824]"}));
  EXPECT_TRUE(has_parts(error_of([&] { weights.claim("a", {-1}); }), {"of shape [-1]"}));
}

}  // namespace
}  // namespace bantam
