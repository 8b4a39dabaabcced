#include "convert/safetensors_writer.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "convert/safetensors_header.h"

namespace bantam {
namespace {

constexpr std::size_t kAlignment = 8;

std::vector<const SafetensorsTensor*> in_order(std::span<const SafetensorsTensor> tensors) {
  std::vector<const SafetensorsTensor*> order;
  for (const SafetensorsTensor& tensor : tensors) {
    BANTAM_ASSERT(std::ssize(tensor.bytes) == tensor.spec.bytes());
    if (info(tensor.spec.dtype).safetensors.empty()) {
      fail("{}: safetensors has no element type {}", quote(tensor.spec.name), name(tensor.spec.dtype));
    }
    if (tensor.spec.name == "__metadata__") fail("\"__metadata__\" cannot be the name of a tensor");
    order.push_back(&tensor);
  }
  std::ranges::sort(order, [](const SafetensorsTensor* a, const SafetensorsTensor* b) {
    const int bits_a = info(a->spec.dtype).bits, bits_b = info(b->spec.dtype).bits;
    return bits_a != bits_b ? bits_a > bits_b : a->spec.name < b->spec.name;
  });
  return order;
}

std::string header_text(std::span<const SafetensorsTensor* const> tensors,
                        const std::map<std::string, std::string>& metadata) {
  // Ordered, so that the header lists tensors as they lie.
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::int64_t offset = 0;
  for (const SafetensorsTensor* tensor : tensors) {
    const std::int64_t end = offset + tensor->spec.bytes();
    if (header.contains(tensor->spec.name)) fail("two tensors are named {}", quote(tensor->spec.name));
    header[tensor->spec.name] = {{"dtype", info(tensor->spec.dtype).safetensors},
                                 {"shape", tensor->spec.shape},
                                 {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::ordered_json::type_error&) {
    fail("a tensor's name is not UTF-8");
  }
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  if (std::ssize(text) > kMaxSafetensorsHeader) fail("a header of {} bytes: too many tensors", text.size());
  return text;
}

}  // namespace

void write_safetensors(const File& file, std::span<const SafetensorsTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<const SafetensorsTensor*> order = in_order(tensors);
  const std::string header = header_text(order, metadata);
  const std::uint64_t length = header.size();
  file.write_at(0, std::as_bytes(std::span(&length, 1)));
  std::int64_t offset = sizeof(length);
  file.write_at(offset, std::as_bytes(std::span(header)));
  offset += std::ssize(header);
  for (const SafetensorsTensor* tensor : order) {
    file.write_at(offset, tensor->bytes);
    offset += std::ssize(tensor->bytes);
  }
}

}  // namespace bantam
