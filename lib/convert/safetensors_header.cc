#include "convert/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"
#include "convert/weight_file.h"

namespace bantam {
namespace {

constexpr std::size_t kMaxMetadata = 1 << 16;

[[noreturn]] void fail_dtype(const std::string& name) {
  if (name.starts_with("F8") || name.starts_with("F6") || name.starts_with("F4")) {
    fail("dtype {} is a quantized type; give the checkpoint in F32, F16 or BF16", quote(name));
  }
  if (name.starts_with("C64") || name.starts_with("C128"))
    fail("dtype {} is complex; weights are real numbers", quote(name));
  std::string known;
  for (const DTypeInfo& entry : dtypes()) {
    if (entry.safetensors.empty()) continue;
    if (!known.empty()) known += ", ";
    known += entry.safetensors;
  }
  fail("unknown dtype {}; known: {}", quote(name), known);
}

// Receives the header token by token. The format has one fixed depth, so the place in it is one state.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { unexpected("null"); }
  bool boolean(bool value) override { unexpected(value ? "true" : "false"); }
  // The parser calls this for negative numbers only.
  bool number_integer(std::int64_t value) override { unexpected(fmt::format("{}", value)); }
  bool number_float(double, const std::string& text) override {
    unexpected(fmt::format("the number {}", quote(text, 40)));
  }
  bool binary(Json::binary_t&) override { unexpected("bytes"); }

  bool number_unsigned(std::uint64_t value) override {
    if (place_ != Place::kShape && place_ != Place::kOffsets) unexpected(fmt::format("{}", value));
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      fail_here(fmt::format("{} is too large", value));
    }
    const auto number = static_cast<std::int64_t>(value);
    if (place_ == Place::kShape) {
      if (entry_.spec.shape.size() == kMaxRank) fail_here(fmt::format("more than {} dimensions", kMaxRank));
      entry_.spec.shape.push_back(number);
    } else {
      if (offsets_ == 2) fail_here("data_offsets has more than two numbers");
      (offsets_++ == 0 ? entry_.begin : entry_.end) = number;
    }
    return true;
  }

  bool string(std::string& value) override {
    if (place_ == Place::kMetadataValue) {
      header_.metadata.emplace(metadata_key_, std::move(value));
      place_ = Place::kMetadata;
    } else if (place_ == Place::kDType) {
      const auto dtype = dtype_from_safetensors(value);
      if (!dtype) with_context(quote(entry_.spec.name), [&] { fail_dtype(value); });
      entry_.spec.dtype = *dtype;
      place_ = Place::kEntry;
    } else {
      unexpected(quote(value));
    }
    return true;
  }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::kStart:
        place_ = Place::kTop;
        return true;
      case Place::kTopValue:
        seen_ = 0;
        offsets_ = 0;
        place_ = Place::kEntry;
        return true;
      case Place::kMetadataObject:
        place_ = Place::kMetadata;
        return true;
      default:
        unexpected("an object");
    }
  }

  bool end_object() override {
    if (place_ == Place::kEntry) {
      if (seen_ != (kSeenDType | kSeenShape | kSeenOffsets))
        fail_here("dtype, shape and data_offsets are required");
      if (header_.entries.size() == kMaxTensors) fail("more than {} tensors", kMaxTensors);
      header_.entries.push_back(std::exchange(entry_, {}));
    }
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }

  bool key(std::string& text) override {
    if (place_ == Place::kTop) {
      if (text == "__metadata__") {
        if (std::exchange(has_metadata_, true)) fail("duplicate key \"__metadata__\"");
        place_ = Place::kMetadataObject;
        return true;
      }
      with_context(quote(text), [&] { check_tensor_name(text); });
      entry_.spec.name = std::move(text);
      place_ = Place::kTopValue;
    } else if (place_ == Place::kMetadata) {
      if (header_.metadata.contains(text)) fail("duplicate key {} in __metadata__", quote(text));
      if (header_.metadata.size() == kMaxMetadata) fail("more than {} entries in __metadata__", kMaxMetadata);
      metadata_key_ = std::move(text);
      place_ = Place::kMetadataValue;
    } else {
      entry_key(text);
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::kShapeArray) {
      place_ = Place::kShape;
    } else if (place_ == Place::kOffsetsArray) {
      place_ = Place::kOffsets;
    } else {
      unexpected("a list");
    }
    return true;
  }

  bool end_array() override {
    if (place_ == Place::kOffsets && offsets_ != 2) fail_here("data_offsets needs two numbers");
    place_ = Place::kEntry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    fail("the header is not valid JSON at byte {}", position);
  }

 private:
  enum class Place {
    kStart,
    kTop,
    kTopValue,
    kEntry,
    kDType,
    kShapeArray,
    kShape,
    kOffsetsArray,
    kOffsets,
    kMetadataObject,
    kMetadata,
    kMetadataValue,
    kEnd,
  };
  static constexpr unsigned kSeenDType = 1, kSeenShape = 2, kSeenOffsets = 4;

  void entry_key(const std::string& text) {
    const auto enter = [&](unsigned field, Place next) {
      if ((seen_ & field) != 0) fail_here(fmt::format("duplicate key {}", quote(text)));
      seen_ |= field;
      place_ = next;
    };
    if (text == "dtype") return enter(kSeenDType, Place::kDType);
    if (text == "shape") return enter(kSeenShape, Place::kShapeArray);
    if (text == "data_offsets") return enter(kSeenOffsets, Place::kOffsetsArray);
    fail_here(fmt::format("unknown key {}", quote(text)));
  }

  [[noreturn]] void fail_here(const std::string& problem) {
    if (entry_.spec.name.empty()) fail("{}", problem);
    fail("{}: {}", quote(entry_.spec.name), problem);
  }

  [[noreturn]] void unexpected(const std::string& what) {
    switch (place_) {
      case Place::kStart:
        fail("the header is {} where an object was expected", what);
      case Place::kTopValue:
        fail_here(fmt::format("{} where an object was expected", what));
      case Place::kDType:
        fail_here(fmt::format("dtype: {} where a string was expected", what));
      case Place::kShapeArray:
        fail_here(fmt::format("shape: {} where a list of integers was expected", what));
      case Place::kShape:
        fail_here(fmt::format("shape: {} where an integer of at least 0 was expected", what));
      case Place::kOffsetsArray:
        fail_here(fmt::format("data_offsets: {} where two integers were expected", what));
      case Place::kOffsets:
        fail_here(fmt::format("data_offsets: {} where an integer of at least 0 was expected", what));
      case Place::kMetadataObject:
        fail("__metadata__: {} where an object was expected", what);
      case Place::kMetadataValue:
        fail("__metadata__: {}: {} where a string was expected", quote(metadata_key_), what);
      default:
        fail("the header holds {} where none was expected", what);
    }
  }

  Place place_ = Place::kStart;
  SafetensorsHeader header_;
  SafetensorsEntry entry_;  // being read
  unsigned seen_ = 0;       // its keys so far
  int offsets_ = 0;         // its numbers of data_offsets so far
  bool has_metadata_ = false;
  std::string metadata_key_;
};

// The largest number that row arithmetic can meet must fit, so a dimension of 0 does not excuse the others.
std::optional<std::int64_t> checked_bytes(const TensorSpec& spec) {
  std::int64_t largest = byte_size(spec.dtype, 1);
  bool empty = false;
  for (const std::int64_t dim : spec.shape) {
    if (dim == 0) empty = true;
    const auto next = checked_mul(largest, std::max<std::int64_t>(dim, 1));
    if (!next) return std::nullopt;
    largest = *next;
  }
  return empty ? 0 : largest;
}

void check_entry(const SafetensorsEntry& entry) {
  const TensorSpec& spec = entry.spec;
  const auto bytes = checked_bytes(spec);
  if (!bytes) fail("shape {} is too large", to_string(spec.shape));
  if (entry.begin > entry.end) fail("data_offsets [{}, {}] run backwards", entry.begin, entry.end);
  if (entry.end - entry.begin != *bytes) {
    fail("data_offsets [{}, {}] hold {} bytes where shape {} of {} needs {}", entry.begin, entry.end,
         entry.end - entry.begin, to_string(spec.shape), info(spec.dtype).safetensors, *bytes);
  }
}

void check_unique_names(const std::vector<SafetensorsEntry>& entries) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) names.push_back(entry.spec.name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) fail("duplicate tensor name {}", quote(*twice));
}

void check_tiling(const std::vector<SafetensorsEntry>& entries, std::int64_t data_bytes) {
  std::int64_t expected = 0;
  const SafetensorsEntry* previous = nullptr;
  for (const SafetensorsEntry& entry : entries) {
    const std::string name = quote(entry.spec.name);
    if (entry.begin < expected) fail("{}: overlaps {} in the file", name, quote(previous->spec.name));
    if (entry.begin > expected)
      fail("{}: a gap of {} bytes before it belongs to no tensor", name, entry.begin - expected);
    expected = entry.end;
    previous = &entry;
  }
  if (expected > data_bytes) {
    fail("truncated: {} bytes of tensors where the header describes {}; download the file again", data_bytes,
         expected);
  }
  if (expected < data_bytes)
    fail("a rest of {} bytes at its end belongs to no tensor", data_bytes - expected);
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, std::int64_t data_bytes) {
  if (!json.starts_with('{')) fail("the header does not begin with \"{{\"");
  // The parser takes a NUL for the end of its input and would ignore what follows.
  if (const auto at = json.find('\0'); at != json.npos)
    fail("the header is not valid JSON at byte {}", at + 1);
  HeaderReader reader;
  Json::sax_parse(json, &reader);
  SafetensorsHeader header = reader.take();
  for (const SafetensorsEntry& entry : header.entries) {
    with_context(quote(entry.spec.name), [&] { check_entry(entry); });
  }
  check_unique_names(header.entries);
  std::ranges::sort(header.entries, [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::tie(a.begin, a.end, a.spec.name) < std::tie(b.begin, b.end, b.spec.name);
  });
  check_tiling(header.entries, data_bytes);
  return header;
}

}  // namespace bantam
