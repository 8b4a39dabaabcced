#include "graph/onnx_skeleton.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/error.h"

namespace bantam {
namespace {

// Nodes, names and small constants; real models stay far below.
constexpr std::int64_t kMaxStructureBytes = std::int64_t{256} << 20;
// An empty message takes two bytes in the file and hundreds in memory.
constexpr std::int64_t kMaxGraphFields = 4'000'000;

// Field numbers of onnx.proto.
constexpr std::uint64_t kModelGraph = 7;
constexpr std::uint64_t kGraphInitializer = 5;
constexpr std::uint64_t kTensorRawData = 9;

struct Field {
  std::int64_t begin = 0;  // where the tag starts
  std::uint64_t number = 0;
  bool has_length = false;   // length-delimited: a message, string or bytes
  std::int64_t payload = 0;  // where the value starts (behind the length)
  std::int64_t end = 0;
};

// Walks the fields of messages in a file through one window.
class WireReader {
 public:
  explicit WireReader(const File& file) : file_(file), size_(file.size()) {}
  std::int64_t size() const { return size_; }

  Field field(std::int64_t at, std::int64_t end) {
    Field field;
    field.begin = at;
    const std::uint64_t tag = varint(at, end);
    field.number = tag >> 3;
    std::int64_t length = 0;
    field.payload = at;
    switch (tag & 7) {
      case 0:
        varint(at, end);
        break;
      case 1:
        length = 8;
        break;
      case 5:
        length = 4;
        break;
      case 2: {
        const std::uint64_t value = varint(at, end);
        if (value > static_cast<std::uint64_t>(end - at))
          fail("is not an ONNX model: a field at byte {} is cut off", field.begin);
        length = static_cast<std::int64_t>(value);
        field.has_length = true;
        field.payload = at;
        break;
      }
      default:
        fail("is not an ONNX model: no protobuf field at byte {}", field.begin);
    }
    if (length > end - at) fail("is not an ONNX model: a field at byte {} is cut off", field.begin);
    field.end = at + length;
    return field;
  }

  void copy(std::int64_t begin, std::int64_t end, std::string& out) const {
    if (std::ssize(out) + (end - begin) > kMaxStructureBytes) {
      fail("has more than {} MiB besides its initializers", kMaxStructureBytes >> 20);
    }
    const std::size_t old = out.size();
    out.resize(old + static_cast<std::size_t>(end - begin));
    file_.read_at(begin, std::as_writable_bytes(std::span(out).subspan(old)));
  }

 private:
  std::uint64_t varint(std::int64_t& at, std::int64_t end) {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at >= end) fail("is not an ONNX model: ends inside a field at byte {}", at);
      const std::uint64_t byte = byte_at(at++);
      value |= (byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    fail("is not an ONNX model: no protobuf number at byte {}", at);
  }

  std::uint8_t byte_at(std::int64_t at) {
    if (at < window_begin_ || at >= window_end_) {
      window_begin_ = at;
      window_end_ = std::min(size_, at + std::ssize(window_));
      file_.read_at(
          at, std::as_writable_bytes(std::span(window_)).first(static_cast<std::size_t>(window_end_ - at)));
    }
    return window_[static_cast<std::size_t>(at - window_begin_)];
  }

  const File& file_;
  std::int64_t size_;
  std::array<std::uint8_t, 16384> window_{};
  std::int64_t window_begin_ = 0;
  std::int64_t window_end_ = 0;
};

void append_message(std::uint64_t number, const std::string& body, std::string& out) {
  const auto append_varint = [&](std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
  };
  append_varint(number << 3 | 2);
  append_varint(body.size());
  out += body;
}

std::string tensor_without_raw_data(WireReader& reader, const Field& tensor, RawRange& raw) {
  std::string out;
  for (std::int64_t at = tensor.payload; at < tensor.end;) {
    const Field field = reader.field(at, tensor.end);
    if (field.number == kTensorRawData && field.has_length) {
      raw = {field.payload, field.end - field.payload};
    } else {
      reader.copy(field.begin, field.end, out);
    }
    at = field.end;
  }
  return out;
}

std::string graph_without_raw_data(WireReader& reader, const Field& graph, std::vector<RawRange>& raw) {
  std::string out;
  std::int64_t fields = 0;
  for (std::int64_t at = graph.payload; at < graph.end;) {
    if (++fields > kMaxGraphFields) fail("has more than {} nodes, initializers and values", kMaxGraphFields);
    const Field field = reader.field(at, graph.end);
    if (field.number == kGraphInitializer && field.has_length) {
      append_message(kGraphInitializer, tensor_without_raw_data(reader, field, raw.emplace_back()), out);
    } else {
      reader.copy(field.begin, field.end, out);
    }
    at = field.end;
  }
  return out;
}

}  // namespace

OnnxSkeleton read_onnx_skeleton(const File& file) {
  WireReader reader(file);
  OnnxSkeleton skeleton;
  bool has_graph = false;
  for (std::int64_t at = 0; at < reader.size();) {
    const Field field = reader.field(at, reader.size());
    if (field.number == kModelGraph && field.has_length) {
      if (std::exchange(has_graph, true)) fail("is not an ONNX model: two graphs");
      append_message(kModelGraph, graph_without_raw_data(reader, field, skeleton.raw), skeleton.model);
    } else {
      reader.copy(field.begin, field.end, skeleton.model);
    }
    at = field.end;
  }
  if (!has_graph) fail("is not an ONNX model: no graph inside");
  return skeleton;
}

}  // namespace bantam
