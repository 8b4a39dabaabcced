#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"
#include "pipeline/schemas.h"
#include "pipeline/verify/checks.h"

namespace bantam {
namespace {

std::optional<DType> stored_dtype(const std::string& text) {
  for (const DTypeInfo& entry : dtypes()) {
    if (entry.name == text) return entry.dtype;
  }
  return std::nullopt;
}

// A URL reference that stays below the folder of the index, whatever a browser makes of it.
bool stays_inside(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.find_first_of("\\:?#%") != path.npos) return false;
  for (const std::filesystem::path& part : std::filesystem::path(path)) {
    if (part == ".." || part == ".") return false;
  }
  return true;
}

class Index {
 public:
  Index(Verification& verification, std::string file)
      : view_(verification.bundle), findings_(verification.findings), file_(std::move(file)) {}

  void run() {
    Json index;
    try {
      index = read_json_file(view_.path(file_));
      check_schema("tensor-cache.schema.json", index);
    } catch (const Error& error) {
      findings_.error(file_, "{}", error.message());
      return;
    }
    for (const Json& shard : index.at("records")) check_shard(shard);
    const auto stated = index.at("metadata").at("ParamSize").get<std::int64_t>();
    if (stated != std::ssize(places_)) {
      findings_.error(file_, "metadata.ParamSize is {} where {} tensors are listed", stated, places_.size());
    }
    compare_with_graph();
  }

 private:
  void check_shard(const Json& shard) {
    const std::string path = shard.at("dataPath").get<std::string>();
    if (!stays_inside(path)) {
      findings_.error(file_, "dataPath {} points outside of the bundle", quote(path));
      return;
    }
    if (!view_.exists(path)) {
      findings_.error(file_, "dataPath {} is not there", quote(path));
      return;
    }
    const auto bytes = shard.at("nbytes").get<std::int64_t>();
    if (view_.usable(path) && bytes != view_.bytes(path)) {
      findings_.error(file_, "nbytes of {} is {} where the file has {}", path, bytes, view_.bytes(path));
    }
    const auto digest = view_.digests.find(path);
    if (digest != view_.digests.end() && digest->second.md5 != shard.at("md5sum").get<std::string>()) {
      findings_.error(file_, "md5sum of {} is not that of the file", path);
    }
    for (const Json& record : shard.at("records")) check_tensor(path, view_.bytes(path), record);
  }

  void check_tensor(const std::string& path, std::int64_t size, const Json& record) {
    const std::string tensor = record.at("name").get<std::string>();
    const auto bytes = record.at("nbytes").get<std::int64_t>();
    const auto offset = record.at("byteOffset").get<std::int64_t>();
    if (!names_.insert(tensor).second) findings_.error(file_, "{} is listed twice", quote(tensor));
    const auto end = checked_add(offset, bytes);
    if (!end || *end > size) {
      findings_.error(file_, "{} ends at byte {} of {}, which has {}", quote(tensor), end.value_or(INT64_MAX),
                      path, size);
    }
    const auto shape = record.at("shape").get<Shape>();
    const auto count = checked_element_count(shape);
    const auto dtype = stored_dtype(record.at("dtype").get<std::string>());
    if (!count || !dtype || *count > INT64_MAX / 64 || byte_size(*dtype, *count) != bytes) {
      findings_.error(file_, "{} has {} bytes, which {} {} does not", quote(tensor), bytes,
                      record.at("dtype").get<std::string>(), to_string(shape));
    }
    places_.emplace(path, offset, bytes);
  }

  // The index is over the shards of one graph: each of its tensors is one of the graph's, and none is left
  // out.
  void compare_with_graph() {
    if (places_.empty()) return;
    const std::string& shard = std::get<0>(*places_.begin());
    for (const SessionGraph& graph : view_.graphs) {
      if (!graph.external || shard.rfind(graph.file + "_data", 0) != 0) continue;
      std::set<Place> stored;
      for (const ExternalTensor& tensor : graph.external->tensors) {
        stored.emplace("onnx/" + tensor.location, tensor.offset, tensor.length);
      }
      for (const Place& place : stored) {
        if (!places_.contains(place)) {
          findings_.error(file_, "does not list the {} bytes at {} of {}", std::get<2>(place),
                          std::get<1>(place), std::get<0>(place));
        }
      }
      for (const Place& place : places_) {
        if (!stored.contains(place)) {
          findings_.error(file_, "lists {} bytes at {} of {}, where {} has no tensor", std::get<2>(place),
                          std::get<1>(place), std::get<0>(place), graph.file);
        }
      }
      return;
    }
  }

  using Place = std::tuple<std::string, std::int64_t, std::int64_t>;

  const BundleView& view_;
  Findings& findings_;
  std::string file_;
  std::set<std::string> names_;
  std::set<Place> places_;
};

}  // namespace

void check_index(Verification& verification) {
  for (const auto& [name, file] : verification.bundle.files) {
    if (name.starts_with("tensor-cache") && name.ends_with(".json") && verification.bundle.usable(name)) {
      Index(verification, name).run();
    }
  }
}

}  // namespace bantam
