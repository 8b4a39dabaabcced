#include "pipeline/verify/op_support.h"

#include <fmt/format.h>

#include <algorithm>

namespace bantam {
namespace {

std::string_view word_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kF16:
      return "f16";
    case DType::kI64:
      return "i64";
    case DType::kI32:
      return "i32";
    case DType::kU8:
      return "u8";
    case DType::kI8:
      return "i8";
    case DType::kBool:
      return "bool";
    default:
      return {};
  }
}

}  // namespace

bool holds(std::string_view types, DType dtype) {
  const std::string_view word = word_of(dtype);
  if (word.empty()) return false;
  for (std::size_t at = types.find(word); at != types.npos; at = types.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || types[at - 1] == ' ') && (end == types.size() || types[end] == ' ')) return true;
  }
  return false;
}

bool is_measured(DType dtype) {
  return !word_of(dtype).empty();
}

std::string too_new(const Graph& graph) {
  const auto opset = graph.opsets.find("");
  if (opset != graph.opsets.end() && opset->second > kNewestOpset)
    return fmt::format("opset {} is newer than {}, the last that is accepted", opset->second, kNewestOpset);
  if (graph.ir_version > kNewestIr) {
    return fmt::format("IR version {} is newer than {}, the last that is accepted", graph.ir_version,
                       kNewestIr);
  }
  return {};
}

const OpSupport* find_op_support(std::string_view domain, std::string_view type) {
  const auto found = std::ranges::find_if(
      op_support(), [&](const OpSupport& op) { return op.domain == domain && op.type == type; });
  return found == op_support().end() ? nullptr : &*found;
}

}  // namespace bantam
