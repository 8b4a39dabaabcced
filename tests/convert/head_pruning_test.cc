#include "convert/head_pruning.h"

#include <gtest/gtest.h>

#include "convert/architecture.h"
#include "tests/convert/checkpoint_files.h"
#include "tests/convert/fixtures.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;
using test::open_fixture;

ModelGraph pruned(std::string_view fixture, std::string_view heads) {
  Checkpoint checkpoint = open_fixture(fixture);
  checkpoint.pruning = parse_head_list(heads);
  return build_model(checkpoint, std::nullopt);
}

Shape shape_of(const ModelGraph& model, std::string_view suffix) {
  for (const Weight& weight : model.graph.weights) {
    if (weight.name.ends_with(suffix)) return weight.source->spec().shape;
  }
  return {};
}

TEST(HeadList, IsReadInAnyOrderAndWrittenInOne) {
  EXPECT_EQ(head_list(parse_head_list("2:0;0:3,1")), "0:1,3;2:0");
  EXPECT_EQ(parse_head_list("2:0;0:3,1").count(), 3);
}

TEST(HeadList, RefusesWhatIsNoList) {
  for (const char* text :
       {"", "1", "a:1", "0:", "0:1,", "0:1;", "0:-1", "0:1.5", "0:1,1", "0:1;0:2", "0:99999999999"}) {
    EXPECT_TRUE(has_parts(error_of([&] { parse_head_list(text); }), {std::string("\"") + text + "\""}))
        << text;
  }
}

TEST(PrunedHeads, LeaveRowsAndColumns) {
  const ModelGraph model = pruned("bert-feature-extraction", "0:0,2;1:1");
  EXPECT_EQ(shape_of(model, "layer.0.attention.self.query.weight"), (Shape{12, 36}));
  EXPECT_EQ(shape_of(model, "layer.0.attention.self.value.bias"), (Shape{12}));
  EXPECT_EQ(shape_of(model, "layer.0.attention.output.dense.weight"), (Shape{36, 12}));
  EXPECT_EQ(shape_of(model, "layer.1.attention.self.key.weight"), (Shape{24, 36}));
  EXPECT_EQ(shape_of(model, "layer.1.attention.output.dense.weight"), (Shape{36, 24}));
  ASSERT_EQ(model.graph.attentions.size(), 2u);
  EXPECT_EQ(model.graph.attentions[0].heads, 1);
  EXPECT_EQ(model.graph.attentions[1].heads, 2);
}

// Head 1 of every layer.
std::string every_layer(std::string_view fixture) {
  std::string heads;
  const ModelGraph model = build_model(open_fixture(fixture), std::nullopt);
  for (const AttentionOutput& attention : model.graph.attentions)
    heads += fmt::format("{}{}:1", heads.empty() ? "" : ";", attention.layer);
  return heads;
}

TEST(PrunedHeads, AreGroupsOfKeysInDecoders) {
  const ModelGraph model = pruned("llama-text-generation", "0:1;1:2");
  EXPECT_EQ(shape_of(model, "layers.0.self_attn.q_proj.weight"), (Shape{48, 36}));
  EXPECT_EQ(shape_of(model, "layers.0.self_attn.k_proj.weight"), (Shape{16, 36}));
  EXPECT_EQ(shape_of(model, "layers.1.self_attn.o_proj.weight"), (Shape{36, 48}));
  for (const ValueId input : model.graph.inputs) {
    const Value& value = model.graph.value(input);
    if (!value.name.starts_with("past_key_values")) continue;
    EXPECT_EQ(value.dims[1].value, 2) << value.name;
  }
  for (const char* fixture :
       {"gpt_neo-text-generation", "gpt2-text-generation", "gpt_neox-text-generation"}) {
    EXPECT_NO_THROW(pruned(fixture, every_layer(fixture)).graph.check()) << fixture;
  }
  EXPECT_TRUE(has_parts(error_of([] { pruned("llama-text-generation", "0:1"); }),
                        {"as many heads in every layer", "layer 1 0"}));
  EXPECT_TRUE(
      has_parts(error_of([] { pruned("phi-text-generation-v4-norms-grouped", "0:0"); }), {"qk_layernorm"}));
}

TEST(PrunedHeads, ThatDoNotExistAreNamed) {
  EXPECT_TRUE(has_parts(error_of([] { pruned("bert-feature-extraction", "1:4"); }),
                        {"layer 1", "no head 4", "0 to 2"}));
  EXPECT_TRUE(
      has_parts(error_of([] { pruned("bert-feature-extraction", "2:0"); }), {"no layer 2", "0 to 1"}));
  EXPECT_TRUE(has_parts(error_of([] { pruned("bert-feature-extraction", "0:0,1,2"); }),
                        {"layer 0", "one must stay"}));
}

TEST(KeptColumns, TakeOverTheShareOfThoseThatLeave) {
  // [2, 3]; column 1 leaves, and its input is 2 x0 - x2 + 0.5.
  const std::vector<float> weight = {1, 10, 3, 4, -2, 6};
  const TensorSourcePtr source = make_memory_source("w", {2, 3}, weight);
  const auto refit = std::make_shared<HeadRefit>(HeadRefit{{2, -1}, {0.5F}});
  EXPECT_EQ(read_all_as_float(*make_kept_columns_source(source, {1}, nullptr)),
            (std::vector<float>{1, 3, 4, 6}));
  EXPECT_EQ(read_all_as_float(*make_kept_columns_source(source, {1}, refit)),
            (std::vector<float>{21, -7, 0, 8}));
  const std::vector<float> bias = {100, 200};
  const TensorSourcePtr shifted =
      make_refitted_bias_source(make_memory_source("b", {2}, bias), source, {1}, refit);
  EXPECT_EQ(read_all_as_float(*shifted), (std::vector<float>{105, 199}));
}

}  // namespace
}  // namespace bantam
