#include "runtime/session.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <functional>
#include <set>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/float16.h"
#include "graph/builder.h"
#include "runtime/op.h"

namespace bantam {
namespace {

Tensor floats(Shape shape, std::vector<float> values) {
  return Tensor::of<float>(std::move(shape), values);
}
std::vector<float> values_of(const Tensor& tensor) {
  return {tensor.data<float>().begin(), tensor.data<float>().end()};
}

// y = Relu(x * w + b), built the way a family builds it: weights are sources.
Graph small_graph() {
  Graph graph;
  graph.opsets[""] = 21;
  GraphBuilder builder(graph);
  const ValueId x = builder.input("x", DType::kF32, {Dim::named("batch"), Dim::fixed(2)});
  const std::vector<float> weight = {1, 2, 3, 4, 5, 6};
  const ValueId w = builder.weight("w", Role::kOther, make_memory_source("w", {2, 3}, weight));
  const ValueId b =
      builder.weight("b", Role::kBias, make_memory_source("b", {3}, std::vector<float>{0.5f, -20, 0}));
  const ValueId sum = builder.op("Add", {builder.op("MatMul", {x, w}), b});
  builder.output(builder.op("Relu", {sum}), "y", {Dim::named("batch"), Dim::fixed(3)});
  return graph;
}

void expect_error(const std::string& part, const std::function<void()>& body) {
  try {
    body();
    FAIL() << "accepted where an error about \"" << part << "\" was expected";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
  }
}

TEST(Session, RunsAGraphThatWasNeverWritten) {
  for (const bool fuse : {true, false}) {
    SessionOptions options;
    options.fuse = fuse;
    const Session session(small_graph(), options);
    ASSERT_EQ(session.inputs().size(), 1u);
    EXPECT_EQ(session.inputs()[0].name, "x");
    const Tensors outputs = session.run({{"x", floats({2, 2}, {1, 1, -1, 2})}});
    EXPECT_EQ(values_of(outputs.at("y")), (std::vector<float>{5.5f, 0, 9, 7.5f, 0, 9}));
  }
}

TEST(Session, LeavesItsInputsAsTheyWere) {
  Graph graph;
  graph.opsets[""] = 21;
  GraphBuilder builder(graph);
  const ValueId x = builder.input("x", DType::kF32, {Dim::named("n")});
  builder.output(builder.op("Neg", {builder.op("Neg", {builder.op("Identity", {x})})}), "y",
                 {Dim::named("n")});
  const Session session(std::move(graph));
  const Tensor fed = floats({3}, {1, 2, 3});
  const Tensors outputs = session.run({{"x", fed}});
  EXPECT_EQ(values_of(fed), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(values_of(outputs.at("y")), (std::vector<float>{1, 2, 3}));
}

TEST(Session, ChecksWhatItIsFed) {
  const Session session(small_graph());
  expect_error("input x is missing", [&] { session.run({}); });
  expect_error("input x: shape [2, 3] where [batch, 2] was expected", [&] {
    session.run({{"x", Tensor(DType::kF32, {2, 3})}});
  });
  expect_error("input x: int64 where float32 was expected", [&] {
    session.run({{"x", Tensor(DType::kI64, {2, 2})}});
  });
  expect_error("the model has no input z", [&] {
    session.run({{"x", Tensor(DType::kF32, {2, 2})}, {"z", Tensor(DType::kF32, {1})}});
  });
}

TEST(Session, NamesNodeAndOpOfWhatItDoesNotKnow) {
  const auto with = [](const std::string& domain, const std::string& type, std::vector<Attribute> attributes,
                       std::int64_t opset) {
    Graph graph;
    graph.opsets[""] = opset;
    GraphBuilder builder(graph);
    const ValueId x = builder.input("x", DType::kF32, {});
    builder.output(builder.op(type, {x}, std::move(attributes), DType::kF32, domain), "y", {});
    return graph;
  };
  expect_error("ai.onnx.Frobnicate of opset 21 (node /Frobnicate)",
               [&] { Session(with("", "Frobnicate", {}, 21)); });
  expect_error("acme.Relu of opset 1", [&] { Session(with("acme", "Relu", {}, 21)); });
  expect_error("node /Relu (Relu): attribute slope is not supported", [&] {
    Session(with("", "Relu", {{"slope", 2.0f}}, 21));
  });
  expect_error("node /Softmax (Softmax): attribute axis is of the wrong type", [&] {
    Session(with("", "Softmax", {{"axis", 2.0f}}, 21));
  });
  expect_error("opset 99 of ai.onnx is newer", [&] { Session(with("", "Relu", {}, 99)); });
  expect_error("ai.onnx.Relu of opset 1 ", [&] { Session(with("", "Relu", {}, 1)); });
  expect_error("node /Add (Add): 1 inputs where 2 were expected", [&] { Session(with("", "Add", {}, 21)); });
}

TEST(Session, NamesTheNodeWhoseInputsDoNotFit) {
  Graph graph;
  graph.opsets[""] = 21;
  GraphBuilder builder(graph);
  const ValueId x = builder.input("x", DType::kF32, {Dim::named("n")});
  const ValueId shape = builder.input("shape", DType::kI64, {Dim::named("rank")});
  builder.output(builder.op("Reshape", {x, shape}), "y", {});
  const Session reshape(std::move(graph));
  const Tensor six = floats({6}, {1, 2, 3, 4, 5, 6});
  const auto run = [&](std::vector<std::int64_t> dims) {
    return reshape.run({{"x", six}, {"shape", Tensor::of<std::int64_t>({std::ssize(dims)}, dims)}})
        .at("y")
        .shape();
  };
  EXPECT_EQ(run({2, -1}), (Shape{2, 3}));
  expect_error("node /Reshape (Reshape): shape [4] where [6] holds 6 elements", [&] { run({4}); });
  expect_error("leaves two dimensions open", [&] { run({-1, -1}); });
  expect_error("is not possible", [&] { run({-7, -1}); });
  expect_error("not possible", [&] { run({std::int64_t{1} << 40, std::int64_t{1} << 40}); });
}

TEST(Session, HoldsToItsMemoryLimit) {
  Graph graph;
  graph.opsets[""] = 21;
  GraphBuilder builder(graph);
  const ValueId shape = builder.input("shape", DType::kI64, {Dim::named("n")});
  builder.output(builder.op("ConstantOfShape", {shape}, {}, DType::kF32), "y", {});
  SessionOptions options;
  options.memory_limit = 1 << 20;
  const Session session(std::move(graph), options);
  const auto run = [&](std::vector<std::int64_t> dims) {
    return session.run({{"shape", Tensor::of<std::int64_t>({std::ssize(dims)}, dims)}}).at("y").count();
  };
  EXPECT_EQ(run({100, 100}), 10000);
  expect_error("over the memory limit", [&] { run({1000, 1000}); });
  expect_error("is not possible", [&] { run({std::int64_t{1} << 62, 4}); });
  expect_error("is not possible", [&] { run({-1}); });
  EXPECT_EQ(run({100, 100}), 10000);
}

TEST(Session, ReusesMemoryAlongAChain) {
  Graph graph;
  graph.opsets[""] = 21;
  GraphBuilder builder(graph);
  ValueId value = builder.input("x", DType::kF32, {Dim::named("n")});
  for (int i = 0; i < 20; ++i) value = builder.op("Exp", {builder.op("Tanh", {value})});
  builder.output(value, "y", {Dim::named("n")});
  const Session session(std::move(graph));
  session.run({{"x", Tensor(DType::kF32, {100'000})}});
  EXPECT_LE(session.peak_memory(), 2 * 400'000 + 4096);
}

TEST(Session, GivesTheSameBitsForAnyNumberOfThreads) {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    Graph graph;
    graph.opsets[""] = 21;
    GraphBuilder builder(graph);
    const ValueId x = builder.input("x", DType::kF32, {Dim::named("m"), Dim::fixed(300)});
    std::vector<float> weight(300 * 200);
    for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = std::sin(static_cast<float>(i));
    const ValueId w = builder.weight("w", Role::kOther, make_memory_source("w", {300, 200}, weight));
    builder.output(builder.op("Softmax", {builder.op("MatMul", {x, w})}), "y", {});
    SessionOptions options;
    options.threads = threads;
    const Session session(std::move(graph), options);
    std::vector<float> in(70 * 300);
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = std::cos(static_cast<float>(i));
    results.push_back(values_of(session.run({{"x", floats({70, 300}, in)}}).at("y")));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(Session, RunsFromSeveralThreadsAtOnce) {
  const Session session(small_graph());
  std::vector<std::jthread> callers;
  std::atomic<int> right{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < 100; ++i) {
        const auto x = static_cast<float>(caller);
        const Tensors outputs = session.run({{"x", floats({1, 2}, {x, x})}});
        right += values_of(outputs.at("y"))[2] == 9 * x ? 1 : 0;
      }
    });
  }
  callers.clear();
  EXPECT_EQ(right.load(), 400);
}

class Recorder final : public Observer {
 public:
  void node(const Node& node, std::span<const Tensor* const> inputs,
            std::span<const Tensor* const> outputs) override {
    types.push_back(node.type);
    EXPECT_FALSE(inputs.empty());
    last = values_of(*outputs[0]);
  }
  std::vector<std::string> types;
  std::vector<float> last;
};

TEST(Session, ShowsEveryNodeToAnObserver) {
  SessionOptions options;
  options.fuse = false;
  options.profile = true;
  const Session session(small_graph(), options);
  Recorder recorder;
  session.run({{"x", floats({1, 2}, {1, 1})}}, &recorder);
  EXPECT_EQ(recorder.types, (std::vector<std::string>{"MatMul", "Add", "Relu"}));
  EXPECT_EQ(recorder.last, (std::vector<float>{5.5f, 0, 9}));
  const std::vector<NodeTime> profile = session.profile();
  ASSERT_EQ(profile.size(), 3u);
  EXPECT_EQ(profile[1].type, "Add");
  EXPECT_EQ(profile[1].calls, 1);
}

TEST(Session, ComputesHalfFloatsInFloatAndStoresThemIn16Bits) {
  Graph graph;
  graph.opsets[""] = 21;
  GraphBuilder builder(graph);
  const ValueId x = builder.input("x", DType::kF16, {Dim::named("n")});
  const ValueId square = builder.op("Mul", {x, x});
  builder.output(square, "square", {Dim::named("n")});
  builder.output(builder.op("Sqrt", {square}), "root", {Dim::named("n")});
  const Session session(std::move(graph));
  const std::vector<std::uint16_t> in = {float_to_fp16(3.0f), float_to_fp16(300.0f), float_to_fp16(0.1f)};
  const Tensor half = Tensor::of<std::uint16_t>({3}, in).retyped(DType::kF16, {3});
  const Tensors outputs = session.run({{"x", half}});
  const auto square_bits = outputs.at("square").data<std::uint16_t>();
  const auto root_bits = outputs.at("root").data<std::uint16_t>();
  EXPECT_EQ(fp16_to_float(square_bits[0]), 9.0f);
  EXPECT_TRUE(std::isinf(fp16_to_float(square_bits[1])));  // 90000 does not fit
  const float tenth = fp16_to_float(in[2]);
  EXPECT_EQ(square_bits[2], float_to_fp16(tenth * tenth));
  EXPECT_EQ(root_bits[2], float_to_fp16(std::sqrt(fp16_to_float(square_bits[2]))));
}

TEST(Session, EmulatesFp16StorageOfAFloatModel) {
  Graph graph;
  graph.opsets[""] = 21;
  GraphBuilder builder(graph);
  const ValueId x = builder.input("x", DType::kF32, {Dim::named("n")});
  const ValueId big = builder.op("Mul", {x, builder.scalar(-3.4e38f)});
  const ValueId square = builder.op("Mul", {x, x});
  builder.output(square, "square", {Dim::named("n")});
  builder.output(builder.op("Sqrt", {square}), "root", {Dim::named("n")});
  builder.output(big, "big", {Dim::named("n")});
  SessionOptions options;
  options.emulate_fp16 = true;
  const Session session(std::move(graph), options);
  const Tensors outputs = session.run({{"x", floats({2}, {300.0f, 0.1f})}});
  EXPECT_TRUE(std::isinf(values_of(outputs.at("root"))[0]));
  const float tenth = fp16_to_float(float_to_fp16(0.1f));  // inputs are stored in 16 bits, too
  EXPECT_EQ(values_of(outputs.at("square"))[1], fp16_to_float(float_to_fp16(tenth * tenth)));
  // The constant is clamped as a converter would, so a small factor keeps it finite.
  EXPECT_NEAR(values_of(outputs.at("big"))[1], -6550.4f, 8.0f);
}

TEST(Session, EmulatesFp16StorageOfWhatIsComputedInPlaceAndOfInputs) {
  Graph graph;
  graph.opsets[""] = 21;
  GraphBuilder builder(graph);
  const ValueId x = builder.input("x", DType::kF32, {Dim::named("n")});
  ValueId value = builder.op("Mul", {x, builder.scalar(3.0f)});
  value = builder.op("Relu", {builder.op("Mul", {value, builder.scalar(3.0f)})});
  builder.output(builder.op("Add", {value, builder.scalar(1.0f)}), "y", {Dim::named("n")});
  SessionOptions options;
  options.emulate_fp16 = true;
  const Session session(std::move(graph), options);
  const Tensor given = floats({3}, {0.1f, 0.7f, 8000.0f});
  const std::vector<float> y = values_of(session.run({{"x", given}}).at("y"));
  const auto round = [](float v) { return fp16_to_float(float_to_fp16(v)); };
  for (const std::size_t i : {0, 1}) {
    const float in = round(values_of(given)[i]);
    EXPECT_EQ(y[i], round(round(round(in * 3.0f) * 3.0f) + 1.0f));
  }
  EXPECT_TRUE(std::isinf(y[2]));  // 72000 does not fit
  EXPECT_EQ(values_of(given)[0], 0.1f);
}

TEST(Session, LooksIntoTheFileOfALargeTable) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / fmt::format("table-{}", ::getpid());
  std::vector<float> table(700 * 513);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i);
  write_text_file(path, std::string(24, 'x') +
                            std::string(reinterpret_cast<const char*>(table.data()), table.size() * 4));
  const auto file = std::make_shared<const File>(File::open_read(path));
  for (const bool emulate : {false, true}) {
    Graph graph;
    graph.opsets[""] = 21;
    GraphBuilder builder(graph);
    const ValueId ids = builder.input("ids", DType::kI64, {Dim::named("n")});
    const ValueId rows =
        builder.weight("table", Role::kOther, make_file_source({"table", DType::kF32, {700, 513}}, file, 24));
    // Read by two nodes, one of which would like to write in place.
    const ValueId gathered = builder.op("Gather", {rows, ids});
    builder.output(gathered, "y", {});
    builder.output(builder.op("Neg", {rows}), "negative", {});
    SessionOptions options;
    options.emulate_fp16 = emulate;
    const Session session(std::move(graph), options);
    const Tensors outputs =
        session.run({{"ids", Tensor::of<std::int64_t>({2}, std::vector<std::int64_t>{699, 3})}});
    const auto round = [&](float v) {
      return emulate ? fp16_to_float(float_to_fp16(std::min(v, 65504.0f))) : v;
    };
    EXPECT_EQ(values_of(outputs.at("y"))[0], round(table[699 * 513]));
    EXPECT_EQ(values_of(outputs.at("y"))[513 + 7], round(table[3 * 513 + 7]));
    EXPECT_EQ(values_of(outputs.at("negative")).back(), -round(table.back()));
  }
  std::filesystem::remove(path);
}

// What each kind of op needs of its inputs: [left], [right] and what the error has to say.
TEST(Session, NamesTheNodeWhoseInputsHaveTheWrongRank) {
  struct Case {
    std::string type;
    std::vector<Shape> inputs;
    std::string error;
  };
  const std::vector<Case> cases = {
      {"MatMul", {{2, 3}, {4, 5}}, "node /MatMul (MatMul): "},
      {"MatMul", {{}, {4, 5}}, "node /MatMul (MatMul): "},
      {"Gemm", {{2, 3, 4}, {4, 5}}, "node /Gemm (Gemm): "},
      {"Add", {{2, 3}, {4, 3}}, "node /Add (Add): "},
      {"Conv", {{2, 3}, {4, 3, 1}}, "node /Conv (Conv): "},
      {"Conv", {{1, 3, 9}, {4, 2, 1}}, "node /Conv (Conv): "},
      {"LayerNormalization", {{2, 3}, {4}}, "node /LayerNormalization (LayerNormalization): "},
      {"Where", {{2, 3}, {4}, {4}}, "node /Where (Where): "},
      {"GatherElements", {{2, 3}, {4}}, "node /GatherElements (GatherElements): "},
  };
  for (const Case& wrong : cases) {
    SCOPED_TRACE(wrong.type);
    Graph graph;
    graph.opsets[""] = 21;
    GraphBuilder builder(graph);
    std::vector<ValueId> ids;
    Tensors inputs;
    for (std::size_t i = 0; i < wrong.inputs.size(); ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      ids.push_back(builder.input(name, DType::kF32, {}));
      graph.values.back().has_dims = false;
      inputs[name] = Tensor(DType::kF32, wrong.inputs[i]);
    }
    const ValueId y = ids.size() == 2 ? builder.op(wrong.type, {ids[0], ids[1]})
                                      : builder.op(wrong.type, {ids[0], ids[1], ids[2]});
    builder.output(y, "y", {});
    const Session session(std::move(graph));
    expect_error(wrong.error, [&] { session.run(inputs); });
  }
}

TEST(OpList, HasNoOperatorTwice) {
  std::set<std::tuple<std::string_view, std::string_view, std::int64_t>> seen;
  for (const OpDef& def : op_defs()) {
    EXPECT_TRUE(seen.insert({def.domain, def.type, def.since}).second) << def.type << " since " << def.since;
  }
}

// docs/runtime.md names every operator, so that nobody has to keep the list by hand.
TEST(OpList, IsWhatTheDocsSay) {
  const std::string docs = read_text_file(BANTAM_SOURCE_DIR "/docs/runtime.md", 1 << 20);
  const std::size_t begin = docs.find("<!-- operators -->");
  const std::size_t end = docs.find("<!-- end -->");
  ASSERT_LT(begin, end);
  std::istringstream words(docs.substr(begin, end - begin));
  std::set<std::string> documented, known;
  for (std::string word, domain; words >> word;) {
    if (word.ends_with(":")) domain = word;
    if (!domain.empty() && !word.ends_with(":")) documented.insert(domain + word);
  }
  for (const OpDef& def : op_defs()) {
    if (def.domain == "bantam") continue;  // what fusions make
    known.insert(fmt::format("{}:{}", def.domain.empty() ? "ai.onnx" : def.domain, def.type));
  }
  EXPECT_EQ(documented, known);
}

}  // namespace
}  // namespace bantam
