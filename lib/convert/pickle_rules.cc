#include "convert/pickle_rules.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/checked.h"
#include "base/error.h"

namespace bantam {
namespace {

struct StorageClass {
  std::string_view name;
  DType dtype;
};
constexpr std::array<StorageClass, 10> kStorages = {{
    {"torch.FloatStorage", DType::kF32},
    {"torch.HalfStorage", DType::kF16},
    {"torch.BFloat16Storage", DType::kBF16},
    {"torch.DoubleStorage", DType::kF64},
    {"torch.LongStorage", DType::kI64},
    {"torch.IntStorage", DType::kI32},
    {"torch.ShortStorage", DType::kI16},
    {"torch.CharStorage", DType::kI8},
    {"torch.ByteStorage", DType::kU8},
    {"torch.BoolStorage", DType::kBool},
}};

// A view may repeat elements (expand), but not to a size that no storage of the file could have.
constexpr std::int64_t kMaxRepeated = 1 << 24;

// More dimensions or tensors than any model has: what a few bytes of pickle repeat must not fill the memory.
constexpr std::size_t kMaxDimensions = 16;
constexpr std::size_t kMaxTensorsOfAPickle = 1 << 18;
constexpr std::size_t kMaxArguments = 7;

struct Call {
  Pickle& pickle;
  std::vector<PickleId> arguments;

  const PickleValue& at(std::size_t i, PickleKind kind, std::string_view what) const {
    const PickleValue& value = pickle[arguments[i]];
    if (value.kind != kind) fail("{} is {} where {} was expected", what, name(value.kind), name(kind));
    return value;
  }
  std::int64_t count(std::size_t i, std::string_view what) const {
    const std::int64_t number = at(i, PickleKind::kInt, what).number;
    if (number < 0) fail("{} is {}", what, number);
    return number;
  }
  Shape counts(std::size_t i, std::string_view what) const {
    const PickleValue& tuple = at(i, PickleKind::kTuple, what);
    if (tuple.items.size() > kMaxDimensions) fail("{} has more than {} dimensions", what, kMaxDimensions);
    Shape numbers;
    for (const PickleId id : tuple.items) {
      const PickleValue& item = pickle[id];
      if (item.kind != PickleKind::kInt || item.number < 0) fail("{} holds what is no size", what);
      numbers.push_back(item.number);
    }
    return numbers;
  }
};

PickleId make_dict(const Call& call) {
  if (!call.arguments.empty()) fail("arguments where none was expected");
  return call.pickle.add(PickleValue::plain(PickleKind::kDict));
}

// Its argument is a tuple of sizes, and so is it.
PickleId make_size(const Call& call) {
  if (call.arguments.size() != 1) fail("one argument was expected");
  call.at(0, PickleKind::kTuple, "its argument");
  return call.arguments[0];
}

// Shape and strides stay within the storage, and all products within int64 even where another dimension is 0.
void check_view(const PickleTensor& tensor, const PickleStorage& storage) {
  if (tensor.shape.size() != tensor.strides.size()) {
    fail("{} sizes and {} strides", tensor.shape.size(), tensor.strides.size());
  }
  std::int64_t bytes = byte_size(storage.dtype, 1);
  std::int64_t last = tensor.offset;  // the farthest element
  bool empty = false;
  for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
    empty |= tensor.shape[d] == 0;
    const std::int64_t size = std::max<std::int64_t>(tensor.shape[d], 1);
    const auto product = checked_mul(bytes, size);
    if (!product) fail("shape {} is too large", to_string(tensor.shape));
    bytes = *product;
    const auto reach = checked_mul(size - 1, tensor.strides[d]);
    const auto sum = reach ? checked_add(last, *reach) : std::nullopt;
    if (!sum) fail("strides {} are too large", to_string(tensor.strides));
    last = *sum;
  }
  if (empty ? tensor.offset > storage.elements : last >= storage.elements) {
    fail("shape {} with strides {} at offset {} reaches beyond its storage of {} elements",
         to_string(tensor.shape), to_string(tensor.strides), tensor.offset, storage.elements);
  }
  const std::int64_t elements = empty ? 0 : bytes / byte_size(storage.dtype, 1);
  if (elements > std::max(storage.elements, kMaxRepeated)) {
    fail("shape {} repeats a storage of {} elements too often", to_string(tensor.shape), storage.elements);
  }
}

// Bits of a tensor that change what its bytes mean: torch's negative and conjugate views.
void refuse_metadata(const Call& call) {
  constexpr std::size_t kMetadata = 6;
  if (call.arguments.size() <= kMetadata) return;
  const PickleValue& value = call.pickle[call.arguments[kMetadata]];
  if (value.kind == PickleKind::kNone) return;
  if (value.kind != PickleKind::kDict) fail("the metadata is {} where none was expected", name(value.kind));
  if (value.items.empty()) return;
  const PickleValue& key = call.pickle[value.items.front()];
  fail(
      "the metadata says {}, and the bytes mean something else then: save the tensor with .resolve_neg() and "
      ".resolve_conj(), or a clone of it",
      key.kind == PickleKind::kString ? quote(key.text, 60) : std::string(name(key.kind)));
}

// (storage, offset, size, strides, requires_grad, hooks[, metadata]); without the last ones before torch 0.4.
PickleId make_tensor(const Call& call) {
  if (call.arguments.size() < 4 || call.arguments.size() > kMaxArguments) {
    fail("{} arguments where 4 to 7 were expected", call.arguments.size());
  }
  refuse_metadata(call);
  if (call.pickle.tensors.size() == kMaxTensorsOfAPickle) fail("more than {} tensors", kMaxTensorsOfAPickle);
  PickleTensor tensor;
  tensor.storage = call.at(0, PickleKind::kStorage, "the storage").index;
  tensor.offset = call.count(1, "the offset");
  tensor.shape = call.counts(2, "the size");
  tensor.strides = call.counts(3, "the strides");
  check_view(tensor, call.pickle.storages.at(tensor.storage));
  call.pickle.tensors.push_back(std::move(tensor));
  return call.pickle.add(PickleValue::with_index(PickleKind::kTensor, call.pickle.tensors.size() - 1));
}

// (tensor, requires_grad, hooks)
PickleId make_parameter(const Call& call) {
  if (call.arguments.size() != 3) fail("{} arguments where 3 were expected", call.arguments.size());
  call.at(0, PickleKind::kTensor, "its data");
  return call.arguments[0];
}

struct Rule {
  std::string_view global;
  PickleId (*apply)(const Call& call);
};
constexpr std::array<Rule, 5> kRules = {{
    {"collections.OrderedDict", make_dict},
    {"torch.Size", make_size},
    {"torch._utils._rebuild_tensor", make_tensor},
    {"torch._utils._rebuild_tensor_v2", make_tensor},
    {"torch._utils._rebuild_parameter", make_parameter},
}};

[[noreturn]] void refuse(std::string_view global) {
  fail(
      "pickle asks for {}: refused. Only tensors and plain containers are read, nothing is ever run; if you trust "
      "the file, load it with torch and save its state dict as safetensors",
      quote(global));
}

const Rule* find_rule(std::string_view global) {
  const auto found = std::ranges::find(kRules, global, &Rule::global);
  return found == kRules.end() ? nullptr : &*found;
}

bool is_storage(std::string_view global) {
  return std::ranges::find(kStorages, global, &StorageClass::name) != kStorages.end();
}

}  // namespace

void check_pickle_global(std::string_view global) {
  if (find_rule(global) == nullptr && !is_storage(global)) refuse(global);
}

DType pickle_storage_dtype(std::string_view global) {
  const auto found = std::ranges::find(kStorages, global, &StorageClass::name);
  if (found == kStorages.end()) fail("{} is no type of a storage", quote(global));
  return found->dtype;
}

PickleId apply_pickle_rule(Pickle& pickle, std::string_view global, PickleId arguments) {
  const Rule* rule = find_rule(global);
  if (rule == nullptr) refuse(global);
  return with_context(global, [&] {
    const PickleValue& tuple = pickle[arguments];
    if (tuple.kind != PickleKind::kTuple) fail("called with {} where a tuple was expected", name(tuple.kind));
    if (tuple.items.size() > kMaxArguments) fail("{} arguments", tuple.items.size());
    return rule->apply({pickle, tuple.items});  // items are copied: a rule adds values
  });
}

}  // namespace bantam
