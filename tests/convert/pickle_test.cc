#include "convert/pickle.h"

#include <gtest/gtest.h>

#include "tests/convert/checkpoint_files.h"
#include "tests/convert/torch_files.h"

namespace bantam {
namespace {

using namespace test;

Pickle parse(std::string_view bytes) {
  return parse_pickle(std::as_bytes(std::span(bytes)));
}

void expect_refused(const std::string& bytes, std::initializer_list<std::string_view> parts) {
  const std::string message = error_of([&] { parse(bytes); });
  EXPECT_TRUE(has_parts(message, parts));
  EXPECT_LT(message.size(), 400U);
}

const std::string kStorage = pickle_storage("FloatStorage", "0", 12);

TEST(Pickle, ReadsPlainValuesAndContainers) {
  const std::string numbers = pickle_int(-5) + pickle_long(std::int64_t{1} << 40) +
                              std::string("\x8a\x01\xff", 3) + std::string("\x8a\x00", 2) + "G" +
                              std::string(8, '\0');
  const std::string containers = std::string("]K\x01") + "aK\x02" + "a}";
  const Pickle pickle = parse(pickle_of("(" + std::string("N\x88\x89K\x07M\x00\x01", 8) + numbers +
                                        "U\x02hi" + pickle_text("é") + containers + "t"));
  const PickleValue& root = pickle[pickle.root];
  ASSERT_EQ(root.kind, PickleKind::kTuple);
  std::vector<PickleKind> kinds;
  for (const PickleId id : root.items) kinds.push_back(pickle[id].kind);
  using enum PickleKind;
  EXPECT_EQ(kinds, (std::vector{kNone, kBool, kBool, kInt, kInt, kInt, kInt, kInt, kInt, kFloat, kString,
                                kString, kList, kDict}));
  EXPECT_EQ(pickle[root.items[4]].number, 256);
  EXPECT_EQ(pickle[root.items[5]].number, -5);
  EXPECT_EQ(pickle[root.items[6]].number, std::int64_t{1} << 40);
  EXPECT_EQ(pickle[root.items[7]].number, -1);
  EXPECT_EQ(pickle[root.items[8]].number, 0);
  EXPECT_EQ(pickle[root.items[11]].text, "é");
  EXPECT_EQ(pickle[root.items[12]].items.size(), 2U);
}

TEST(Pickle, ReadsATensorOfAStorage) {
  const Pickle pickle = parse(pickle_of(pickle_dict({{"w", pickle_tensor(kStorage, 2, {2, 3}, {1, 3})}})));
  const PickleValue& dict = pickle[pickle.root];
  ASSERT_EQ(dict.items.size(), 2U);
  EXPECT_EQ(pickle[dict.items[0]].text, "w");
  ASSERT_EQ(pickle[dict.items[1]].kind, PickleKind::kTensor);
  const PickleTensor& tensor = pickle.tensors.at(pickle[dict.items[1]].index);
  EXPECT_EQ(tensor.offset, 2);
  EXPECT_EQ(tensor.shape, (Shape{2, 3}));
  EXPECT_EQ(tensor.strides, (Shape{1, 3}));
  EXPECT_EQ(pickle.storages.at(tensor.storage).key, "0");
  EXPECT_EQ(pickle.storages.at(tensor.storage).dtype, DType::kF32);
}

TEST(Pickle, RefusesFunctionsAndClassesByTheirNames) {
  const std::pair<const char*, const char*> names[] = {{"os", "system"},
                                                       {"posix", "system"},
                                                       {"builtins", "eval"},
                                                       {"__builtin__", "exec"},
                                                       {"subprocess", "Popen"},
                                                       {"torch", "load"},
                                                       {"torch.storage", "_load_from_bytes"},
                                                       {"torch._utils", "_rebuild_qtensor"},
                                                       {"numpy", "ndarray"},
                                                       {"collections", "OrderedDict.update"},
                                                       {"torch._utils", "_rebuild_tensor_v2.__globals__"},
                                                       {"torch", "FloatStorage2"},
                                                       {"", ""},
                                                       {"argparse", "Namespace"}};
  for (const auto& [module, name] : names) {
    const std::string full = std::string(module) + "." + name;
    // Called, merely named, named through the stack, and as an object: nothing gets through.
    expect_refused(pickle_of(pickle_call(module, name, {pickle_text("echo")})),
                   {"pickle asks for", full, "refused"});
    expect_refused(pickle_of(pickle_global(module, name)), {"pickle asks for", full});
    expect_refused(pickle_of(pickle_text(module) + pickle_text(name) + "\x93"), {"pickle asks for", full});
    expect_refused(pickle_of("(" + std::string("i") + module + "\n" + name + "\n"),
                   {"an object of", full, "refused"});
  }
}

TEST(Pickle, RefusesCallsInsideOfCalls) {
  const std::string inner = pickle_call("os", "system", {pickle_text("touch /tmp/owned")});
  expect_refused(
      pickle_of(pickle_call("torch._utils", "_rebuild_parameter", {inner, "\x88", pickle_ordered_dict()})),
      {"os.system"});
  expect_refused(pickle_of(pickle_tensor(pickle_tuple({pickle_text("storage"), inner}) + "Q", 0, {1}, {1})),
                 {"os.system"});
  // What an allowed function returns cannot be called.
  expect_refused(pickle_of(pickle_ordered_dict() + ")R"), {"pickle calls a dictionary"});
  expect_refused(pickle_of(pickle_text("os.system") + ")R"), {"pickle calls text"});
  expect_refused(pickle_of(pickle_global("torch", "FloatStorage") + ")R"), {"torch.FloatStorage"});
  expect_refused(pickle_of(pickle_global("torch", "FloatStorage") + ")\x81"),
                 {"an object of", "torch.FloatStorage"});
  expect_refused(pickle_of("(" + pickle_global("torch", "FloatStorage") + "o"),
                 {"an object of", "torch.FloatStorage"});
  expect_refused(pickle_of(pickle_global("torch", "FloatStorage") + "}b"),
                 {"sets the state of", "torch.FloatStorage"});
  expect_refused(pickle_of(pickle_ordered_dict() + pickle_text("x") + "b"), {"sets the state of"});
}

TEST(Pickle, RefusesExtensionsAndOtherOpcodes) {
  for (const std::string op : {"\x82\x01", "\x83\x01\x00", "\x84\x01\x00\x00\x00", "Pabc\n", "\x8f", "\x97",
                               "\xff", "I1\n", "S'a'\n"}) {
    expect_refused(pickle_of(op), {"opcode 0x", "refused"});
  }
}

TEST(Pickle, RefusesWrongArgumentsOfTensors) {
  const auto call = [](const std::vector<std::string>& arguments) {
    return pickle_of(pickle_call("torch._utils", "_rebuild_tensor_v2", arguments));
  };
  const std::string zero = pickle_int(0), one = pickle_sizes({1});
  expect_refused(call({}), {"0 arguments"});
  expect_refused(call({kStorage, zero, one}), {"3 arguments"});
  expect_refused(call({kStorage, zero, one, one, "N", "N", "N", "N"}), {"8 arguments"});
  expect_refused(call({pickle_text("x"), zero, one, one}), {"storage", "text where a storage"});
  expect_refused(call({kStorage, pickle_int(-1), one, one}), {"offset", "-1"});
  expect_refused(call({kStorage, "N", one, one}), {"offset", "None"});
  expect_refused(call({kStorage, zero, "]", one}), {"size", "a list"});
  expect_refused(call({kStorage, zero, pickle_sizes({-1}), one}), {"size"});
  expect_refused(call({kStorage, zero, one, pickle_sizes({-1})}), {"strides"});
  expect_refused(call({kStorage, zero, one, pickle_sizes({1, 1})}), {"1 sizes and 2 strides"});
  expect_refused(call({kStorage, zero, pickle_tuple(std::vector<std::string>(17, "K\x01")), one}),
                 {"more than 16 dimensions"});
  expect_refused(pickle_of(pickle_call("torch._utils", "_rebuild_parameter", {kStorage, "\x88", "N"})),
                 {"a storage where a tensor"});
  expect_refused(pickle_of(pickle_call("torch", "Size", {zero})), {"an integer where a tuple"});
  expect_refused(pickle_of(pickle_call("collections", "OrderedDict", {"]"})), {"OrderedDict", "arguments"});
}

// torch's negative and conjugate bits: the bytes are not the values then.
TEST(Pickle, RefusesMetadataThatChangesValues) {
  const auto with = [](const std::string& metadata) {
    return pickle_of(pickle_call("torch._utils", "_rebuild_tensor_v2",
                                 {kStorage, pickle_int(0), pickle_sizes({2}), pickle_sizes({1}), "\x89",
                                  pickle_ordered_dict(), metadata}));
  };
  EXPECT_EQ(parse(with("N")).tensors.size(), 1U);
  EXPECT_EQ(parse(with("}")).tensors.size(), 1U);
  expect_refused(with(pickle_dict({{"neg", "\x88"}})), {"\"neg\"", "resolve_neg"});
  expect_refused(with(pickle_dict({{"conj", "\x88"}})), {"\"conj\"", "resolve_conj"});
  expect_refused(with(pickle_dict({{"of the future", "N"}})), {"\"of the future\""});
  expect_refused(with("}K\x01K\x02s"), {"metadata says an integer"});
  expect_refused(with("]"), {"the metadata is a list"});
}

TEST(Pickle, RefusesTensorsBeyondTheirStorage) {
  const auto tensor = [](std::int64_t offset, const std::vector<std::int64_t>& shape,
                         const std::vector<std::int64_t>& strides) {
    return pickle_of(pickle_tensor(kStorage, offset, shape, strides));
  };
  EXPECT_EQ(parse(tensor(0, {3, 4}, {4, 1})).tensors.size(), 1U);
  EXPECT_EQ(parse(tensor(11, {1}, {100})).tensors.size(), 1U);
  EXPECT_EQ(parse(tensor(12, {0, 5}, {5, 1})).tensors.size(), 1U);
  EXPECT_EQ(parse(tensor(3, {1000, 1000}, {0, 0})).tensors.size(), 1U);
  expect_refused(tensor(1, {3, 4}, {4, 1}), {"beyond its storage of 12 elements"});
  expect_refused(tensor(0, {2, 2}, {11, 1}), {"beyond its storage"});
  expect_refused(tensor(12, {}, {}), {"beyond its storage"});
  expect_refused(tensor(13, {0}, {1}), {"beyond its storage"});
  const std::int64_t big = std::int64_t{1} << 62;
  expect_refused(tensor(0, {big, 4}, {0, 0}), {"too large"});
  expect_refused(tensor(0, {0, big}, {0, 0}), {"too large"});
  expect_refused(tensor(0, {3}, {big}), {"strides", "too large"});
  expect_refused(tensor(big, {2}, {big}), {"strides", "too large"});
  expect_refused(tensor(0, {1 << 20, 1 << 20}, {0, 0}), {"repeats"});
}

TEST(Pickle, RefusesStoragesThatAreNone) {
  const auto storage = [](const std::vector<std::string>& parts) {
    return pickle_of(pickle_tuple(parts) + "Q");
  };
  const std::string kind = pickle_text("storage"), type = pickle_global("torch", "FloatStorage"),
                    text = pickle_text("0");
  EXPECT_EQ(parse(storage({kind, type, text, text, pickle_int(3)})).storages.size(), 1U);
  expect_refused(storage({kind, type, text, text, pickle_int(3), pickle_tuple({text})}), {"legacy"});
  expect_refused(storage({kind, type, text, text, pickle_int(-3)}), {"-3 elements"});
  expect_refused(storage({kind, type, text, text, pickle_long(std::int64_t{1} << 62)}), {"elements"});
  expect_refused(storage({kind, type, text, text}), {"no storage"});
  expect_refused(storage({pickle_text("module"), type, text, text, pickle_int(3)}), {"no storage"});
  expect_refused(storage({kind, text, text, text, pickle_int(3)}), {"no storage"});
  expect_refused(storage({kind, type, pickle_int(0), text, pickle_int(3)}), {"no storage"});
  expect_refused(storage({kind, pickle_global("collections", "OrderedDict"), text, text, pickle_int(3)}),
                 {"no type of a storage"});
  expect_refused(storage({kind, type, pickle_text(std::string(65, 'k')), text, pickle_int(3)}), {"65 bytes"});
  expect_refused(storage({kind, pickle_global("torch", "ComplexFloatStorage"), text, text, pickle_int(3)}),
                 {"torch.ComplexFloatStorage"});
  expect_refused(pickle_of("NQ"), {"no storage"});
}

TEST(Pickle, RefusesWhatIsCutOffOrOutOfOrder) {
  expect_refused("", {"cut off"});
  expect_refused("\x80\x02", {"cut off"});
  expect_refused("\x80\x01.", {"protocol 1"});
  expect_refused("\x80\x06.", {"protocol 6"});
  expect_refused(pickle_of(""), {"0 values"});
  expect_refused(pickle_of("NN"), {"2 values"});
  expect_refused(pickle_of("(N"), {"ends with"});
  expect_refused(pickle_of("R"), {"takes 2 values"});
  expect_refused(pickle_of("t"), {"not begun"});
  expect_refused(pickle_of("NNN(R"), {"takes 2 values where 0"});  // not those below the mark
  expect_refused(pickle_of("Na"), {"takes 1 values where 0"});
  expect_refused(pickle_of("NNa"), {"adds to None"});
  expect_refused(pickle_of("]K\x01K\x02s"), {"adds to a list as if it were a dictionary"});
  expect_refused(pickle_of("}(K\x01u"), {"key without a value"});
  expect_refused(pickle_of("h\x05"), {"recalls value 5"});
  expect_refused(pickle_of("q\x05"), {"takes 1"});
  expect_refused(pickle_of("cos"), {"name without an end"});
  expect_refused(pickle_of("c" + std::string(5000, 'a') + "\nb\n"), {"name without an end"});
  expect_refused(pickle_of("\x8a\x09" + std::string(9, '\1')), {"integer of 9 bytes"});
}

TEST(Pickle, RefusesAbsurdLengthsBeforeItBelievesThem) {
  expect_refused(pickle_of("X\xff\xff\xff\xff"), {"cut off", "4294967295"});
  expect_refused(pickle_of("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), {"cut off"});
  expect_refused(pickle_of("T\xff\xff\xff\x7f"), {"cut off"});
  std::string large(static_cast<std::size_t>(kMaxPickleBytes) + 1, 'N');
  expect_refused(large, {"at most"});
}

TEST(Pickle, CountsValuesMarksAndWhatIsRemembered) {
  expect_refused(pickle_of(std::string(3'000'000, 'N')), {"more than 2097152 values"});
  expect_refused(pickle_of(std::string(3'000'000, '(')), {"nested more than 1024 deep"});
  expect_refused(pickle_of("N" + std::string(3'000'000, '2')), {"values on the stack"});
  std::string memo = "]";
  for (std::uint32_t i = 0; i < 2'200'000; ++i) memo += "r" + little_endian(i);
  expect_refused(pickle_of(memo), {"remembers more than"});
  // Lists of lists of lists: 2^60 elements if anything were to walk or copy them.
  std::string laughs = "]q";
  laughs += '\0';
  for (char i = 0; i < 60; ++i) {
    laughs += std::string("](h") + i + "h" + i + "eq" + static_cast<char>(i + 1);
  }
  EXPECT_EQ(parse(pickle_of("}" + pickle_text("a") + laughs + std::string(60, '0') + "s")).values.size(),
            63U);
  // A list that holds itself.
  EXPECT_EQ(parse(pickle_of(std::string("]q\0h\0a", 6))).values.size(), 1U);
}

// One long tuple that a few bytes hand on again and again is never copied.
TEST(Pickle, DoesNotCopyWhatIsRepeated) {
  std::string bytes =
      pickle_global("torch", "Size") + "q" + '\0' + "0(" + std::string(500'000, 'N') + "tq" + '\1' + "0(";
  std::string call = std::string("h\0(h\1tR", 7) + "0";
  for (int i = 0; i < 100'000; ++i) bytes += call;
  EXPECT_EQ(parse(pickle_of(bytes + "t")).values.size(), 600'003U);
  expect_refused(pickle_of(pickle_global("torch", "Size") + "(" + std::string(500'000, 'N') + "tR"),
                 {"500000 arguments"});
}

// Whatever one damaged byte does, the answer is a pickle or an Error.
TEST(Pickle, AnyDamagedByteIsAnswered) {
  const std::string whole =
      pickle_of(pickle_dict({{"w", pickle_tensor(kStorage, 2, {2, 3}, {1, 3})}, {"n", "N"}}));
  ASSERT_EQ(parse(whole).tensors.size(), 1U);
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(value);
      try {
        const Pickle pickle = parse(damaged);
        ASSERT_LT(pickle.root, pickle.values.size());
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 40'000);
}

}  // namespace
}  // namespace bantam
