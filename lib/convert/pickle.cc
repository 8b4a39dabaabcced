#include "convert/pickle.h"

#include <cstring>
#include <limits>
#include <unordered_map>

#include "base/error.h"
#include "convert/pickle_rules.h"

namespace bantam {
namespace {

// Far above any state dict: 25 values describe a tensor.
constexpr std::size_t kMaxValues = 1 << 21;
constexpr std::size_t kMaxMarks = 1 << 10;
constexpr std::size_t kMaxLine = 256;  // of a module or a name
constexpr std::size_t kMaxKey = 64;    // of a storage

// Opcodes, by their names in Python's pickletools.
// clang-format off
enum Op : unsigned char {
  kMark = '(', kStop = '.', kPop = '0', kPopMark = '1', kDup = '2', kFloat = 'F', kInt = 'I', kBinInt = 'J', kBinInt1 = 'K',
  kBinInt2 = 'M', kNone = 'N', kPersId = 'P', kBinPersId = 'Q', kReduce = 'R', kBinString = 'T', kShortBinString = 'U',
  kBinUnicode = 'X', kAppend = 'a', kBuild = 'b', kGlobal = 'c', kDict = 'd', kEmptyDict = '}', kAppends = 'e',
  kBinGet = 'h', kInst = 'i', kLongBinGet = 'j', kList = 'l', kEmptyList = ']', kObj = 'o', kBinPut = 'q',
  kLongBinPut = 'r', kSetItem = 's', kTuple = 't', kEmptyTuple = ')', kSetItems = 'u', kBinFloat = 'G', kProto = 0x80,
  kNewObj = 0x81, kTuple1 = 0x85, kTuple2 = 0x86, kTuple3 = 0x87, kNewTrue = 0x88, kNewFalse = 0x89, kLong1 = 0x8a,
  kShortBinUnicode = 0x8c, kBinUnicode8 = 0x8d, kNewObjEx = 0x92, kStackGlobal = 0x93, kMemoize = 0x94, kFrame = 0x95,
};
// clang-format on

class Unpickler {
 public:
  explicit Unpickler(std::span<const std::byte> bytes)
      : bytes_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {}

  Pickle run() {
    std::size_t begin = 0;
    try {
      while (true) {
        begin = at_;
        const auto op = static_cast<unsigned char>(take(1)[0]);
        if (op == kStop) break;
        step(op);
      }
    } catch (Error& error) {
      error.add_context(fmt::format("byte {}", begin));
      throw;
    }
    if (stack_.size() != 1 || !marks_.empty())
      fail("ends with {} values where one was expected", stack_.size());
    pickle_.root = stack_.back();
    return std::move(pickle_);
  }

 private:
  void step(unsigned char op) {
    // clang-format off
    switch (op) {
      case kProto: return check_protocol();
      case kFrame: take(8); return;
      case kNone: return push(PickleValue::plain(PickleKind::kNone));
      case kNewTrue: return push(PickleValue::plain(PickleKind::kBool, 1));
      case kNewFalse: return push(PickleValue::plain(PickleKind::kBool, 0));
      case kBinInt: return push(PickleValue::plain(PickleKind::kInt, number<std::int32_t>()));
      case kBinInt1: return push(PickleValue::plain(PickleKind::kInt, number<std::uint8_t>()));
      case kBinInt2: return push(PickleValue::plain(PickleKind::kInt, number<std::uint16_t>()));
      case kLong1: return push(PickleValue::plain(PickleKind::kInt, long_number(number<std::uint8_t>())));
      case kBinFloat: take(8); return push(PickleValue::plain(PickleKind::kFloat));
      case kBinString: return push_text(number<std::uint32_t>());
      case kShortBinString:
      case kShortBinUnicode: return push_text(number<std::uint8_t>());
      case kBinUnicode: return push_text(number<std::uint32_t>());
      case kBinUnicode8: return push_text(number<std::uint64_t>());
      case kEmptyTuple: return push(PickleValue::plain(PickleKind::kTuple));
      case kEmptyList: return push(PickleValue::plain(PickleKind::kList));
      case kEmptyDict: return push(PickleValue::plain(PickleKind::kDict));
      case kTuple1: return push_items(PickleKind::kTuple, pop(1));
      case kTuple2: return push_items(PickleKind::kTuple, pop(2));
      case kTuple3: return push_items(PickleKind::kTuple, pop(3));
      case kTuple: return push_items(PickleKind::kTuple, pop_mark());
      case kList: return push_items(PickleKind::kList, pop_mark());
      case kDict: return push_items(PickleKind::kDict, pairs(pop_mark()));
      case kMark: return mark();
      case kPop: return drop();
      case kPopMark: pop_mark(); return;
      case kDup: return push_known(top());
      case kAppend: return extend(PickleKind::kList, pop(1));
      case kAppends: return extend(PickleKind::kList, pop_mark());
      case kSetItem: return extend(PickleKind::kDict, pop(2));
      case kSetItems: return extend(PickleKind::kDict, pairs(pop_mark()));
      case kBinPut: return remember(number<std::uint8_t>());
      case kLongBinPut: return remember(number<std::uint32_t>());
      case kMemoize: return remember(static_cast<std::uint32_t>(memo_.size()));
      case kBinGet: return recall(number<std::uint8_t>());
      case kLongBinGet: return recall(number<std::uint32_t>());
      default: return name_something(op);
    }
    // clang-format on
  }

  // Opcodes that name classes and functions, and whatever else there is.
  void name_something(unsigned char op) {
    switch (op) {
      case kGlobal:
        return push_global(global_lines());
      case kStackGlobal: {
        const auto names = pop(2);
        return push_global(text_of(names[0]) + "." + text_of(names[1]));
      }
      case kBinPersId:
        return push_storage(pop(1)[0]);
      case kReduce:
        return reduce();
      case kBuild:
        return build();
      case kInst:
        fail("pickle asks for an object of {}: refused", quote(global_lines()));
      case kObj: {
        const auto items = pop_mark();
        if (items.empty()) fail("an object of no class");
        fail("pickle asks for an object of {}: refused", quote(described(items[0])));
      }
      case kNewObj:
        fail("pickle asks for an object of {}: refused", quote(described(pop(2)[0])));
      case kNewObjEx:
        fail("pickle asks for an object of {}: refused", quote(described(pop(3)[0])));
      default:
        fail("pickle uses the opcode 0x{:02x}, which no state dict needs: refused", op);
    }
  }

  // --- Bytes

  std::string_view take(std::uint64_t count) {
    if (count > bytes_.size() - at_)
      fail("cut off: {} bytes are wanted at byte {} of {}", count, at_, bytes_.size());
    const std::string_view taken = bytes_.substr(at_, static_cast<std::size_t>(count));
    at_ += taken.size();
    return taken;
  }

  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(value)).data(), sizeof(value));
    return value;
  }

  // Two's complement, little-endian.
  std::int64_t long_number(std::size_t length) {
    const std::string_view digits = take(length);
    if (length > 8) fail("an integer of {} bytes", length);
    std::uint64_t value = length > 0 && (digits.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    std::memcpy(&value, digits.data(), length);
    return static_cast<std::int64_t>(value);
  }

  std::string line() {
    const std::size_t end = bytes_.substr(at_, kMaxLine).find('\n');
    if (end == std::string_view::npos) fail("a name without an end");
    std::string text(take(end));
    take(1);
    return text;
  }
  std::string global_lines() {
    const std::string module = line();
    return module + "." + line();
  }

  // 2 is torch's; later ones differ in how they write the same.
  void check_protocol() {
    const int protocol = number<std::uint8_t>();
    if (protocol < 2 || protocol > 5) fail("pickle protocol {}; 2 to 5 are known", protocol);
  }

  // --- Stack, marks and what is remembered

  void push_known(PickleId id) {
    if (stack_.size() == kMaxValues) fail("more than {} values on the stack", kMaxValues);
    stack_.push_back(id);
  }
  void push(PickleValue value) { push_known(pickle_.add(std::move(value))); }
  void push_text(std::uint64_t length) {
    push(PickleValue::with_text(PickleKind::kString, std::string(take(length))));
  }
  void push_items(PickleKind kind, std::vector<PickleId> items) {
    push(PickleValue::with_items(kind, std::move(items)));
  }

  void mark() {
    if (marks_.size() == kMaxMarks) fail("nested more than {} deep", kMaxMarks);
    marks_.push_back(stack_.size());
  }
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  void need(std::size_t count) const {
    if (stack_.size() - floor() < count)
      fail("takes {} values where {} are left", count, stack_.size() - floor());
  }
  PickleId top() const {
    need(1);
    return stack_.back();
  }
  void drop() { pop(1); }
  std::vector<PickleId> pop(std::size_t count) {
    need(count);
    std::vector<PickleId> taken(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return taken;
  }
  std::vector<PickleId> pop_mark() {
    if (marks_.empty()) fail("ends what was not begun");
    std::vector<PickleId> taken = pop(stack_.size() - floor());
    marks_.pop_back();
    return taken;
  }

  void remember(std::uint32_t key) {
    if (memo_.size() == kMaxValues) fail("remembers more than {} values", kMaxValues);
    memo_[key] = top();
  }
  void recall(std::uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("recalls value {}, which was never remembered", key);
    push_known(found->second);
  }

  // --- Containers

  static std::vector<PickleId> pairs(std::vector<PickleId> items) {
    if (items.size() % 2 != 0) fail("a key without a value");
    return items;
  }
  void extend(PickleKind kind, const std::vector<PickleId>& items) {
    PickleValue& container = pickle_.values[top()];
    if (container.kind != kind) fail("adds to {} as if it were {}", name(container.kind), name(kind));
    container.items.insert(container.items.end(), items.begin(), items.end());
  }

  // --- Names

  std::string text_of(PickleId id) const {
    const PickleValue& value = pickle_[id];
    if (value.kind != PickleKind::kString) fail("a name is {}", name(value.kind));
    return value.text;
  }
  std::string described(PickleId id) const {
    const PickleValue& value = pickle_[id];
    return value.kind == PickleKind::kGlobal ? value.text : std::string(name(value.kind));
  }

  void push_global(std::string global) {
    check_pickle_global(global);
    push(PickleValue::with_text(PickleKind::kGlobal, std::move(global)));
  }

  void reduce() {
    const auto call = pop(2);
    const PickleValue& function = pickle_[call[0]];
    if (function.kind != PickleKind::kGlobal) fail("pickle calls {}: refused", name(function.kind));
    const std::string global = function.text;  // a copy: a rule adds values
    push_known(apply_pickle_rule(pickle_, global, call[1]));
  }

  // State of an OrderedDict (a module's versions) says nothing about its tensors; other objects have none.
  void build() {
    const PickleId state = pop(1)[0];
    if (pickle_[top()].kind != PickleKind::kDict || pickle_[state].kind != PickleKind::kDict) {
      fail("pickle sets the state of {} to {}: refused", quote(described(top())), quote(described(state)));
    }
  }

  // ('storage', class, key, device, elements[, view])
  void push_storage(PickleId id) {
    const std::vector<PickleId>& parts = pickle_[id].items;
    const auto is = [&](std::size_t i, PickleKind kind) { return pickle_[parts[i]].kind == kind; };
    if (pickle_[id].kind != PickleKind::kTuple || parts.size() < 5 || parts.size() > 6 ||
        !is(0, PickleKind::kString) || pickle_[parts[0]].text != "storage" || !is(1, PickleKind::kGlobal) ||
        !is(2, PickleKind::kString) || !is(4, PickleKind::kInt)) {
      fail("refers to something outside that is no storage: refused");
    }
    if (parts.size() == 6 && !is(5, PickleKind::kNone)) fail("a view of a storage is of the legacy format");
    const std::string& key = pickle_[parts[2]].text;
    if (key.size() > kMaxKey) fail("a storage has a name of {} bytes", key.size());
    const std::int64_t elements = pickle_[parts[4]].number;
    if (elements < 0 || elements > std::numeric_limits<std::int64_t>::max() / 16) {
      fail("a storage of {} elements", elements);
    }
    pickle_.storages.push_back({key, pickle_storage_dtype(pickle_[parts[1]].text), elements});
    push(PickleValue::with_index(PickleKind::kStorage, pickle_.storages.size() - 1));
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  Pickle pickle_;
  std::vector<PickleId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleId> memo_;
};

}  // namespace

std::string_view name(PickleKind kind) {
  switch (kind) {
    case PickleKind::kNone:
      return "None";
    case PickleKind::kBool:
      return "a boolean";
    case PickleKind::kInt:
      return "an integer";
    case PickleKind::kFloat:
      return "a number";
    case PickleKind::kString:
      return "text";
    case PickleKind::kTuple:
      return "a tuple";
    case PickleKind::kList:
      return "a list";
    case PickleKind::kDict:
      return "a dictionary";
    case PickleKind::kGlobal:
      return "a class or function";
    case PickleKind::kStorage:
      return "a storage";
    case PickleKind::kTensor:
      return "a tensor";
  }
  BANTAM_ASSERT(false);
}

PickleId Pickle::add(PickleValue value) {
  if (values.size() == kMaxValues) fail("more than {} values", kMaxValues);
  values.push_back(std::move(value));
  return static_cast<PickleId>(values.size() - 1);
}

Pickle parse_pickle(std::span<const std::byte> bytes) {
  if (std::ssize(bytes) > kMaxPickleBytes) {
    fail("a pickle of {} bytes; at most {} are read", bytes.size(), kMaxPickleBytes);
  }
  return Unpickler(bytes).run();
}

}  // namespace bantam
