#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/dtype.h"
#include "graph/shape.h"

namespace bantam {

// The most bytes of pickle that are read: tensors lie outside of it, 100 to 200 bytes of it describe one.
inline constexpr std::int64_t kMaxPickleBytes = 32 << 20;

enum class PickleKind : std::uint8_t {
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kTuple,
  kList,
  kDict,
  kGlobal,
  kStorage,
  kTensor
};
// "a tensor", "an integer": for messages.
std::string_view name(PickleKind kind);

// Values are numbers into the Pickle that holds them, so that one which contains itself does no harm.
using PickleId = std::uint32_t;

// Elements of one type, which lie in the file `key` beside the pickle. What it claims of that file is not
// checked.
struct PickleStorage {
  std::string key;
  DType dtype = DType::kUndefined;
  std::int64_t elements = 0;
};

// A view of a storage, inside of what the storage claims to hold: offset and strides count elements, none is
// negative, the bytes of the shape fit into int64.
struct PickleTensor {
  std::size_t storage = 0;  // into the Pickle's
  std::int64_t offset = 0;
  Shape shape;
  Shape strides;
};

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  std::int64_t number = 0;      // of an integer or a boolean
  std::string text;             // of a string; of a global "module.name"
  std::vector<PickleId> items;  // of a tuple or list; of a dictionary its keys and values in turn
  std::size_t index = 0;        // of a storage or tensor, into the Pickle's

  static PickleValue plain(PickleKind kind, std::int64_t number = 0) { return {kind, number, {}, {}, 0}; }
  static PickleValue with_text(PickleKind kind, std::string text) {
    return {kind, 0, std::move(text), {}, 0};
  }
  static PickleValue with_items(PickleKind kind, std::vector<PickleId> items) {
    return {kind, 0, {}, std::move(items), 0};
  }
  static PickleValue with_index(PickleKind kind, std::size_t index) { return {kind, 0, {}, {}, index}; }
};

struct Pickle {
  std::vector<PickleValue> values;
  std::vector<PickleStorage> storages;
  std::vector<PickleTensor> tensors;
  PickleId root = 0;

  const PickleValue& operator[](PickleId id) const { return values.at(id); }
  PickleId add(PickleValue value);  // Error beyond the number of values that any state dict has
};

// Reads a pickle (protocols 2 to 5: PEP 307, PEP 3154, Python's pickletools) as torch.save writes it for a
// state dict, and executes nothing: there is no table of functions that could be called. It knows plain
// values and containers, collections.OrderedDict, torch.Size, the storage types, and the functions of
// torch._utils that put a tensor together, each as a rule of its own. Whatever else a pickle names or calls
// is an Error with that name
// ("pickle asks for os.system"). Work and memory are at most proportional to the bytes: no value is copied,
// and values, marks and what is remembered are counted.
Pickle parse_pickle(std::span<const std::byte> bytes);

}  // namespace bantam
