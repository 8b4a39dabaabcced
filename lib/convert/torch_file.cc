#include "convert/torch_file.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "convert/pickle.h"
#include "convert/strided_source.h"
#include "convert/zip_archive.h"

namespace bantam {
namespace {

constexpr std::string_view kZipStart = "PK\x03\x04";
// Where trainers put a state dict among other things, and what wrappers of modules put before its names.
constexpr std::array<std::string_view, 4> kWraps = {"state_dict", "model_state_dict", "model", "module"};
constexpr std::array<std::string_view, 2> kPrefixes = {"_orig_mod.", "module."};

void refuse_older_formats(std::string_view start) {
  constexpr std::string_view kAdvice =
      "load it once with torch.load(..., weights_only=True) and save what it holds as safetensors "
      "(safetensors.torch.save_file), or with torch.save of torch 1.6 or newer";
  constexpr std::size_t kTarMagic = 257;
  if (start.starts_with("\x80"))
    fail("is in the format of torch before 1.6 (pickles one after another); {}", kAdvice);
  if (start.size() > kTarMagic && start.substr(kTarMagic).starts_with("ustar")) {
    fail("is in the tar format of torch before 0.1.10; {}", kAdvice);
  }
}

class TorchReader {
 public:
  explicit TorchReader(const std::filesystem::path& path)
      : file_(std::make_shared<const File>(File::open_read(path))) {}

  WeightFile read() {
    result_.bytes = file_->size();
    const std::string start = read_start(*file_, result_.bytes);
    if (!start.starts_with(kZipStart)) {
      refuse_older_formats(start);
      refuse_other_formats(start, "a PyTorch file");
      fail("is no file of torch.save: it does not begin as a zip archive; download it again");
    }
    members_ = read_zip_members(*file_);
    find_root();
    check_byte_order();
    const std::string bytes = read_member(member("data.pkl"), kMaxPickleBytes);
    pickle_ = with_context("data.pkl", [&] { return parse_pickle(std::as_bytes(std::span(bytes))); });
    add_tensors(state_dict());
    return std::move(result_);
  }

 private:
  const ZipMember* find(std::string_view name) const {
    const std::string full = root_ + std::string(name);
    const auto found = std::ranges::find(members_, full, &ZipMember::name);
    return found == members_.end() ? nullptr : &*found;
  }
  const ZipMember& member(std::string_view name) const {
    const ZipMember* found = find(name);
    if (found == nullptr) fail("holds no {}", quote(root_ + std::string(name)));
    return *found;
  }

  std::string read_member(const ZipMember& member, std::int64_t most) const {
    if (member.bytes > most)
      fail("{}: {} bytes; at most {} are read", quote(member.name), member.bytes, most);
    std::string bytes(static_cast<std::size_t>(member.bytes), '\0');
    file_->read_at(member.offset, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  // Everything lies in one folder, which is named after the file that was first written.
  void find_root() {
    constexpr std::string_view kPickle = "/data.pkl";
    for (const ZipMember& member : members_) {
      if (!member.name.ends_with(kPickle)) continue;
      if (!root_.empty()) fail("holds two state dicts, {} and {}", quote(root_), quote(member.name));
      root_ = member.name.substr(0, member.name.size() - kPickle.size() + 1);
    }
    if (root_.empty()) fail("is a zip archive without a data.pkl, not a file of torch.save");
    if (find("constants.pkl") != nullptr) {
      fail(
          "is a TorchScript archive (torch.jit.save), which holds a program; save the state dict of its model");
    }
  }

  void check_byte_order() const {
    const ZipMember* order = find("byteorder");
    if (order == nullptr) return;  // before torch 2.1: the machine's own, which was little-endian
    if (const std::string text = read_member(*order, 16); text != "little") {
      fail("its byte order is {} where \"little\" was expected; save it again on another machine",
           quote(text));
    }
  }

  // --- The state dict in the pickle

  using Item = std::pair<std::string, PickleId>;

  std::vector<Item> items_of(PickleId id) const {
    const std::vector<PickleId>& flat = pickle_[id].items;
    std::vector<Item> items;
    for (std::size_t i = 0; i + 1 < flat.size(); i += 2) {
      const PickleValue& key = pickle_[flat[i]];
      if (key.kind != PickleKind::kString)
        fail("a key is {} where the name of a tensor was expected", name(key.kind));
      items.emplace_back(key.text, flat[i + 1]);
    }
    return items;
  }
  bool is(PickleId id, PickleKind kind) const { return pickle_[id].kind == kind; }

  std::vector<Item> state_dict() {
    if (!is(pickle_.root, PickleKind::kDict)) {
      fail("holds {} where a state dict was expected; save model.state_dict()",
           name(pickle_[pickle_.root].kind));
    }
    std::vector<Item> items = items_of(pickle_.root);
    const auto is_tensor = [&](const Item& item) { return is(item.second, PickleKind::kTensor); };
    if (items.empty() || std::ranges::any_of(items, is_tensor)) return items;
    std::vector<Item> wraps;
    for (const Item& item : items) {
      const bool known = std::ranges::find(kWraps, item.first) != kWraps.end();
      if (known && is(item.second, PickleKind::kDict)) wraps.push_back(item);
    }
    if (wraps.size() != 1) {
      fail("holds no tensors at its top and {} to look into; save model.state_dict()",
           wraps.empty() ? "no \"state_dict\"" : "more than one dictionary");
    }
    result_.notes.push_back(fmt::format("the state dict is under {}; what lies beside it was passed over",
                                        quote(wraps.front().first)));
    return items_of(wraps.front().second);
  }

  // Wrappers of modules prefix every name.
  void strip_prefixes(std::vector<Item>& items) {
    for (const std::string_view prefix : kPrefixes) {
      const auto has = [&](const Item& item) { return item.first.starts_with(prefix); };
      if (items.empty() || !std::ranges::all_of(items, has)) continue;
      for (Item& item : items) item.first.erase(0, prefix.size());
      result_.notes.push_back(fmt::format("{} before the name of every tensor was taken off", quote(prefix)));
    }
  }

  void add_tensors(std::vector<Item> items) {
    strip_prefixes(items);
    std::set<std::string_view> names;
    std::vector<std::pair<std::tuple<std::int64_t, std::string>, TensorSourcePtr>> placed;
    for (const Item& item : items) {
      with_context(quote(item.first), [&] {
        check_tensor_name(item.first);
        if (!names.insert(item.first).second) fail("stands there twice");
        if (!is(item.second, PickleKind::kTensor)) {
          fail("is {} where a tensor was expected", name(pickle_[item.second].kind));
        }
        const PickleTensor& tensor = pickle_.tensors.at(pickle_[item.second].index);
        const PickleStorage& storage = pickle_.storages.at(tensor.storage);
        const std::int64_t offset = place_of(tensor.storage) + byte_size(storage.dtype, tensor.offset);
        placed.emplace_back(
            std::tuple(offset, item.first),
            make_strided_source({item.first, storage.dtype, tensor.shape}, file_, offset, tensor.strides));
      });
    }
    std::ranges::sort(placed, {}, [](const auto& entry) { return entry.first; });
    for (auto& entry : placed) result_.tensors.push_back(std::move(entry.second));
  }

  // Offset of a storage in the file.
  std::int64_t place_of(std::size_t index) {
    if (places_.empty()) {
      places_.resize(pickle_.storages.size());
      for (const ZipMember& entry : members_) by_name_.emplace(entry.name, &entry);
    }
    if (places_[index]) return *places_[index];
    const PickleStorage& storage = pickle_.storages[index];
    const auto found = by_name_.find(root_ + "data/" + storage.key);
    if (found == by_name_.end()) fail("its storage {} is not in the archive", quote(storage.key));
    const std::int64_t bytes = byte_size(storage.dtype, storage.elements);
    if (found->second->bytes != bytes) {
      fail("its storage {} has {} bytes in the archive where the pickle describes {}", quote(storage.key),
           found->second->bytes, bytes);
    }
    places_[index] = found->second->offset;
    return found->second->offset;
  }

  std::shared_ptr<const File> file_;
  std::vector<ZipMember> members_;
  std::string root_;  // "name/"
  Pickle pickle_;
  std::vector<std::optional<std::int64_t>> places_;  // of the storages
  std::map<std::string_view, const ZipMember*> by_name_;
  WeightFile result_;
};

}  // namespace

WeightFile open_torch_file(const std::filesystem::path& path) {
  TorchReader reader(path);
  return with_context(path.string(), [&] { return reader.read(); });
}

bool looks_like_torch_file(const std::filesystem::path& path) {
  const File file = File::open_read(path);
  return read_start(file, file.size()).starts_with(kZipStart);
}

}  // namespace bantam
