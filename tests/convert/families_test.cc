// Every fixture's graph, from names, shapes and config.json alone. That the graphs compute what PyTorch
// computes is tests/oracle/golden_onnx.py's to show.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <stdexcept>

#include "convert/architecture.h"
#include "convert/safetensors.h"
#include "tests/convert/checkpoint_files.h"
#include "tests/convert/fixtures.h"

namespace bantam {
namespace {

using test::error_of;
using test::has_parts;
using test::open_fixture;
using test::set_tensor;

// The checkpoint's name of a weight: parts of a fused layer, "qkv_proj.q.weight", are stored as one tensor.
std::string stored_name(std::string name) {
  for (const char* fused : {"qkv_proj", "gate_up_proj", "c_attn", "query_key_value"}) {
    const std::size_t at = name.find(std::string(fused) + ".");
    const std::size_t part = at + std::string_view(fused).size();
    if (at == name.npos || name.find('.', part + 1) == name.npos) continue;
    return name.erase(part, name.find('.', part + 1) - part);
  }
  return name;
}

// Runs `body(fixture name, its graph)` for each.
template <typename Body>
void for_every_fixture(Body&& body) {
  const std::vector<std::string> names = test::fixture_names();
  ASSERT_FALSE(names.empty());
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    body(name, build_model(open_fixture(name), std::nullopt));
  }
}

const Architecture& family_of(const std::string& name) {
  for (const Architecture* family : architectures()) {
    if (family->family == name) return *family;
  }
  throw std::runtime_error("no family " + name);
}

std::set<std::string> names_of(const Graph& graph, const std::vector<ValueId>& values) {
  std::set<std::string> names;
  for (const ValueId id : values) names.insert(graph.value(id).name);
  return names;
}

TEST(EveryFixture, BecomesASoundGraphOfItsFamilyAndTask) {
  for_every_fixture([](const std::string& fixture, const ModelGraph& model) {
    model.graph.check();
    EXPECT_EQ(model.graph.opsets.at(""), 21);
    EXPECT_EQ(model.graph.ir_version, 10);
    const std::string stated = fixture.substr(0, fixture.find('-'));
    const std::string family = stated == "xlm" ? "xlm-roberta" : stated;
    EXPECT_TRUE(std::ranges::count(family_of(model.family).model_types, family) == 1) << model.family;
    EXPECT_TRUE(fixture.starts_with(family + "-" + std::string(name(model.task)))) << family;
  });
}

// The golden file holds the inputs and outputs that the graph must have, of actual sizes.
TEST(EveryFixture, DeclaresTheInputsAndOutputsThatPyTorchWasCalledWith) {
  for_every_fixture([](const std::string& fixture, const ModelGraph& model) {
    std::map<std::string, TensorSpec> inputs;
    std::map<std::string, TensorSpec> outputs;
    for (const TensorSourcePtr& tensor :
         open_safetensors(test::fixture(fixture) / "golden.safetensors").tensors) {
      const TensorSpec& spec = tensor->spec();
      if (spec.name.starts_with("case0.input.")) inputs[spec.name.substr(12)] = spec;
      if (spec.name.starts_with("case0.output.")) outputs[spec.name.substr(13)] = spec;
    }
    const auto agree = [&](const std::vector<ValueId>& values,
                           const std::map<std::string, TensorSpec>& wanted) {
      EXPECT_EQ(values.size(), wanted.size());
      for (const ValueId id : values) {
        const Value& value = model.graph.value(id);
        ASSERT_TRUE(wanted.contains(value.name)) << value.name;
        const Shape& shape = wanted.at(value.name).shape;
        EXPECT_EQ(value.dtype, wanted.at(value.name).dtype) << value.name;
        ASSERT_EQ(value.dims.size(), shape.size()) << value.name;
        const Shape& ids = inputs.at("input_ids").shape;
        for (std::size_t i = 0; i < shape.size(); ++i) {
          const Dim& dim = value.dims[i];
          if (dim.is_fixed()) {
            EXPECT_EQ(dim.value, shape[i]) << value.name;
          }
          if (dim.symbol == "batch_size") {
            EXPECT_EQ(ids[0], shape[i]) << value.name;
          }
          if (dim.symbol == "sequence_length") {
            EXPECT_EQ(ids[1], shape[i]) << value.name;
          }
        }
        if (!shape.empty()) {
          EXPECT_EQ(value.dims[0].symbol, "batch_size");
        }
      }
    };
    agree(model.graph.inputs, inputs);
    agree(model.graph.outputs, outputs);
  });
}

TEST(EveryFixture, GivesEveryWeightARoleAndAReader) {
  for_every_fixture([](const std::string& fixture, const ModelGraph& model) {
    std::set<ValueId> read;
    for (const Node& node : model.graph.nodes) read.insert(node.inputs.begin(), node.inputs.end());
    const Checkpoint checkpoint = open_fixture(fixture);
    std::set<std::string> seen;
    for (const Weight& weight : model.graph.weights) {
      EXPECT_TRUE(checkpoint.tensors.contains(stored_name(weight.name))) << weight.name;
      EXPECT_TRUE(seen.insert(weight.name).second) << weight.name << " is stored twice";
      EXPECT_NE(weight.role, Role::kOther) << weight.name;
      EXPECT_TRUE(read.contains(weight.parts[0].values[0])) << weight.name;
    }
  });
}

// What quantization schemes look for.
TEST(EveryFixture, HasLinearsAsGemmWithTheCheckpointsLayoutAndTablesAsGather) {
  for_every_fixture([](const std::string&, const ModelGraph& model) {
    std::map<ValueId, const Weight*> matrices;
    for (const Weight& weight : model.graph.weights) {
      if (weight.source->spec().shape.size() == 2) matrices[weight.parts[0].values[0]] = &weight;
    }
    for (const Node& node : model.graph.nodes) {
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const auto found = matrices.find(node.inputs[i]);
        if (found == matrices.end()) continue;
        const std::string& weight = found->second->name;
        if (node.type == "Gemm") {
          EXPECT_EQ(i, 1U) << weight;
          ASSERT_NE(node.find("transB"), nullptr) << weight;
          EXPECT_EQ(std::get<std::int64_t>(node.find("transB")->value), 1) << weight;
        } else if (node.type == "Gather") {
          EXPECT_EQ(i, 0U) << weight;
          EXPECT_EQ(node.find("axis"), nullptr) << weight;
        } else {
          // MobileBERT's head keeps one matrix as [in, out].
          EXPECT_EQ(node.type, "MatMul") << weight;
          EXPECT_EQ(weight, "cls.predictions.dense.weight");
        }
      }
    }
  });
}

// The output layer of a masked-language head may stand in the file under two names, and is found under
// either.
bool stands_twice(const Checkpoint& checkpoint, const std::string& name) {
  const auto has_ending = [&](const std::string& ending) {
    return std::ranges::any_of(checkpoint.tensors,
                               [&](const auto& entry) { return entry.first.ends_with(ending); });
  };
  if (name.ends_with("word_embeddings.weight")) return has_ending(".decoder.weight");
  if (name.ends_with("embed_tokens.weight") || name.ends_with("wte.weight")) {
    return has_ending("lm_head.weight");
  }
  if (name.ends_with(".decoder.bias"))
    return checkpoint.tensors.contains(name.substr(0, name.size() - 13) + ".bias");
  return name.ends_with(".bias") &&
         checkpoint.tensors.contains(name.substr(0, name.size() - 5) + ".decoder.bias");
}

// Without any one tensor that the graph reads there is no graph.
TEST(EveryFixture, NeedsEachOfItsWeights) {
  for_every_fixture([](const std::string& fixture, const ModelGraph& model) {
    const Checkpoint whole = open_fixture(fixture);
    for (const Weight& weight : model.graph.weights) {
      if (stands_twice(whole, weight.name)) continue;
      Checkpoint checkpoint = whole;
      checkpoint.tensors.erase(stored_name(weight.name));
      const std::string message = error_of([&] { build_model(checkpoint, model.task); });
      EXPECT_TRUE(has_parts(message, {"1 tensor is missing"})) << weight.name;
    }
  });
}

TEST(EveryFixture, RefusesATensorThatItDoesNotKnow) {
  for_every_fixture([](const std::string& fixture, const ModelGraph&) {
    Checkpoint checkpoint = open_fixture(fixture);
    set_tensor(checkpoint, "encoder.layer.0.adapter.weight", {2, 2});
    EXPECT_TRUE(has_parts(error_of([&] { build_model(checkpoint, std::nullopt); }),
                          {"1 tensor has no place in the model: encoder.layer.0.adapter.weight"}));
  });
}

TEST(EveryFixture, RefusesShapesThatDisagreeWithItsConfig) {
  for_every_fixture([](const std::string& fixture, const ModelGraph& model) {
    Checkpoint checkpoint = open_fixture(fixture);
    const Weight& last = model.graph.weights.back();
    Shape shape = last.source->spec().shape;
    shape[0] += 1;
    set_tensor(checkpoint, last.name, shape);
    EXPECT_TRUE(has_parts(error_of([&] { build_model(checkpoint, model.task); }),
                          {"1 tensor disagrees with config.json", last.name, to_string(shape)}));
  });
}

TEST(EveryFixture, ServesFeatureExtractionWhenAskedAndSaysWhatItLeavesOut) {
  for_every_fixture([](const std::string& fixture, const ModelGraph& own) {
    if (own.task == Task::kTextGeneration) return;  // decoders have no other head
    const ModelGraph model = build_model(open_fixture(fixture), Task::kFeatureExtraction);
    model.graph.check();
    EXPECT_EQ(names_of(model.graph, model.graph.outputs), (std::set<std::string>{"last_hidden_state"}));
    std::set<std::string> kept;
    for (const Weight& weight : model.graph.weights) kept.insert(weight.name);
    for (const Weight& weight : own.graph.weights) {
      if (kept.contains(weight.name)) continue;
      ASSERT_FALSE(model.notes.empty()) << weight.name;
      EXPECT_TRUE(has_parts(model.notes[0], {"left out", weight.name}));
    }
  });
}

TEST(Families, CoverEveryModelTypeOnce) {
  std::set<std::string_view> types;
  for (const Architecture* family : architectures()) {
    for (const std::string_view type : family->model_types) EXPECT_TRUE(types.insert(type).second) << type;
    EXPECT_FALSE(family->tasks.empty());
  }
  EXPECT_EQ(types,
            (std::set<std::string_view>{"albert", "bert", "distilbert", "electra", "gemma3_text", "gpt2",
                                        "gpt_neo", "gpt_neox", "llama", "mistral", "mobilebert", "mpnet",
                                        "phi", "phi3", "qwen2", "qwen3", "roberta", "xlm-roberta"}));
}

}  // namespace
}  // namespace bantam
