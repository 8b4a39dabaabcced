#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bantam::test {

template <typename T>
std::string little_endian(T value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

// --- Pickles, opcode by opcode (protocol 2)

inline std::string pickle_text(std::string_view text) {
  return "X" + little_endian(static_cast<std::uint32_t>(text.size())) + std::string(text);
}
inline std::string pickle_int(std::int32_t value) {
  return "J" + little_endian(value);
}
// Of up to 63 bits.
inline std::string pickle_long(std::int64_t value) {
  return "\x8a\x08" + little_endian(value);
}
inline std::string pickle_global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string pickle_tuple(const std::vector<std::string>& items) {
  std::string bytes = "(";
  for (const std::string& item : items) bytes += item;
  return bytes + "t";
}
inline std::string pickle_dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string bytes = "}(";
  for (const auto& [key, value] : items) bytes += pickle_text(key) + value;
  return bytes + "u";
}
inline std::string pickle_of(std::string_view value) {
  return "\x80\x02" + std::string(value) + ".";
}
inline std::string pickle_call(std::string_view module, std::string_view name,
                               const std::vector<std::string>& arguments) {
  return pickle_global(module, name) + pickle_tuple(arguments) + "R";
}

inline std::string pickle_ordered_dict() {
  return pickle_call("collections", "OrderedDict", {});
}
inline std::string pickle_storage(std::string_view type, std::string_view key, std::int64_t elements) {
  return pickle_tuple({pickle_text("storage"), pickle_global("torch", type), pickle_text(key),
                       pickle_text("cpu"), pickle_long(elements)}) +
         "Q";
}
inline std::string pickle_sizes(const std::vector<std::int64_t>& sizes) {
  std::vector<std::string> items;
  for (const std::int64_t size : sizes) items.push_back(pickle_long(size));
  return pickle_tuple(items);
}
inline std::string pickle_tensor(const std::string& storage, std::int64_t offset,
                                 const std::vector<std::int64_t>& shape,
                                 const std::vector<std::int64_t>& strides) {
  return pickle_call("torch._utils", "_rebuild_tensor_v2",
                     {storage, pickle_long(offset), pickle_sizes(shape), pickle_sizes(strides), "\x89",
                      pickle_ordered_dict()});
}

// --- Zip archives, byte by byte

struct ZipFile {
  std::string name;
  std::string data;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  std::string extra = {};       // of the directory entry
  std::uint32_t size = 0;       // claimed, where not 0
  std::uint32_t header = 0;     // claimed offset, where not 0
  std::string local_name = {};  // where it differs
};

inline std::string zip_of(const std::vector<ZipFile>& files, std::string_view comment = {}) {
  std::string bytes, directory;
  for (const ZipFile& file : files) {
    const auto begin = static_cast<std::uint32_t>(bytes.size());
    const auto size = static_cast<std::uint32_t>(file.data.size());
    const std::string& local = file.local_name.empty() ? file.name : file.local_name;
    const auto fixed =
        little_endian(file.flags) + little_endian(file.method) + std::string(8, '\0');  // time, CRC-32
    bytes += little_endian(std::uint32_t{0x04034b50}) + little_endian(std::uint16_t{20}) + fixed +
             little_endian(size) + little_endian(size) +
             little_endian(static_cast<std::uint16_t>(local.size())) + little_endian(std::uint16_t{3}) +
             local + "pad" + file.data;
    const std::uint32_t claimed = file.size != 0 ? file.size : size;
    directory += little_endian(std::uint32_t{0x02014b50}) + std::string(4, '\0') + fixed +
                 little_endian(claimed) + little_endian(claimed) +
                 little_endian(static_cast<std::uint16_t>(file.name.size())) +
                 little_endian(static_cast<std::uint16_t>(file.extra.size())) + std::string(10, '\0') +
                 little_endian(file.header != 0 ? file.header : begin) + file.name + file.extra;
  }
  const auto count = little_endian(static_cast<std::uint16_t>(files.size()));
  const auto begin = static_cast<std::uint32_t>(bytes.size());
  return bytes + directory + little_endian(std::uint32_t{0x06054b50}) + std::string(4, '\0') + count + count +
         little_endian(static_cast<std::uint32_t>(directory.size())) + little_endian(begin) +
         little_endian(static_cast<std::uint16_t>(comment.size())) + std::string(comment);
}

// A file of torch.save with this data.pkl and these storages ("0" -> bytes).
inline std::string torch_file(const std::string& pickle,
                              const std::vector<std::pair<std::string, std::string>>& storages = {},
                              std::string_view byte_order = "little") {
  std::vector<ZipFile> files = {{"archive/data.pkl", pickle}};
  if (!byte_order.empty()) files.push_back({"archive/byteorder", std::string(byte_order)});
  for (const auto& [key, bytes] : storages) files.push_back({"archive/data/" + key, bytes});
  files.push_back({"archive/version", "3\n"});
  return zip_of(files);
}

inline std::string float_bytes(std::span<const float> values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

}  // namespace bantam::test
