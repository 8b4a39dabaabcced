#include "pipeline/inspect.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>
#include <tuple>

#include "base/error.h"
#include "base/file.h"
#include "convert/architecture.h"
#include "convert/checkpoint.h"
#include "convert/safetensors.h"
#include "convert/torch_file.h"
#include "graph/onnx_import.h"
#include "pipeline/inspect_graph.h"
#include "pipeline/schemas.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

// --- Checkpoints and safetensors files

InspectedTensor inspect_source(const TensorSource& source, const std::string& file) {
  const TensorSpec& spec = source.spec();
  return {spec.name, {}, std::string(name(spec.dtype)), spec.shape, spec.bytes(), file};
}

std::int64_t float_elements(const std::vector<TensorSourcePtr>& tensors) {
  std::int64_t count = 0;
  for (const TensorSourcePtr& tensor : tensors) {
    if (is_float(tensor->spec().dtype)) count += element_count(tensor->spec().shape);
  }
  return count;
}

std::string file_name(const TensorSource& source) {
  const File* file = source.place().file;
  return file == nullptr ? std::string() : file->path().filename().string();
}

Inspection inspect_weights(const fs::path& path, InspectedKind kind) {
  const WeightFile file = kind == InspectedKind::kTorch ? open_torch_file(path) : open_safetensors(path);
  Inspection result;
  result.kind = kind;
  result.notes = file.notes;
  result.files = {{path.filename().string(), file.bytes}};
  result.metadata = file.metadata;
  result.parameters = float_elements(file.tensors);
  for (const TensorSourcePtr& tensor : file.tensors)
    result.tensors.push_back(inspect_source(*tensor, file_name(*tensor)));
  return result;
}

Inspection inspect_checkpoint(const fs::path& directory) {
  const Checkpoint checkpoint = open_checkpoint(directory.string());
  Inspection result;
  result.kind = InspectedKind::kCheckpoint;
  result.model_type = checkpoint.config.string_or("model_type", "");
  result.notes = checkpoint.notes;
  for (const SourceFile& file : checkpoint.files) result.files.push_back({file.name, file.bytes});
  std::map<std::string, Role> roles;
  try {
    const ModelGraph model = build_model(checkpoint, std::nullopt);
    result.family = model.family;
    result.task = name(model.task);
    result.graph = inspect_graph(model.graph);
    result.notes = model.notes;
    for (const Weight& weight : model.graph.weights) roles.emplace(weight.name, weight.role);
  } catch (const Error& error) {
    result.notes.push_back("bantam convert would refuse this checkpoint: " + error.message());
  }
  std::vector<TensorSourcePtr> tensors;
  for (const auto& [name, tensor] : checkpoint.tensors) tensors.push_back(tensor);
  std::ranges::stable_sort(tensors, {}, [](const TensorSourcePtr& tensor) {
    return std::pair(file_name(*tensor), tensor->place().offset);
  });
  result.parameters = float_elements(tensors);
  for (const TensorSourcePtr& tensor : tensors) {
    InspectedTensor entry = inspect_source(*tensor, file_name(*tensor));
    if (const auto role = roles.find(entry.name); role != roles.end()) entry.role = name(role->second);
    result.tensors.push_back(std::move(entry));
  }
  return result;
}

// --- ONNX files

Inspection inspect_onnx(const fs::path& path) {
  const Graph graph = import_onnx(path);
  Inspection result;
  result.kind = InspectedKind::kOnnx;
  result.parameters = parameter_count(graph);
  result.graph = inspect_graph(graph);
  result.tensors = inspect_tensors(graph, path);
  result.files.push_back({path.filename().string(), File::open_read(path).size()});
  std::map<std::string, std::int64_t> outside;
  for (const Weight& weight : graph.weights) {
    const File* file = weight.source->place().file;
    if (file == nullptr || file->path() == path) continue;
    outside.emplace(file->path().lexically_relative(path.parent_path()).string(), file->size());
  }
  for (const auto& [name, bytes] : outside) result.files.push_back({name, bytes});
  return result;
}

// --- Bundles

// The files that the manifest lists, each found to be there in its size.
std::map<std::string, std::int64_t> check_files(const fs::path& directory, const Json& manifest) {
  std::map<std::string, std::int64_t> files;
  for (const Json& entry : manifest.at("files")) {
    const std::string name = entry.at("name").get<std::string>();
    const fs::path relative(name);
    if (!relative.is_relative() || std::ranges::find(relative, fs::path("..")) != relative.end()) {
      fail("bantam.json lists {}, which leaves the bundle's folder", quote(name));
    }
    std::error_code error;
    const auto bytes = static_cast<std::int64_t>(fs::file_size(directory / relative, error));
    if (error) fail("{} is listed in bantam.json and cannot be found; copy the bundle again", quote(name));
    const auto listed = entry.at("bytes").get<std::int64_t>();
    if (bytes != listed) {
      fail("{} has {} bytes where bantam.json lists {}; copy the bundle again", quote(name), bytes, listed);
    }
    files.emplace(name, bytes);
  }
  return files;
}

Forecast forecast_of(const Graph& graph, const InspectedVariant& variant,
                     const std::map<std::string, std::int64_t>& files, bool generates) {
  ForecastInput input{variant.dtype, {&graph}, {files.at(variant.file)}, 0, generates};
  for (const InspectedFile& shard : variant.shards) input.file_bytes.push_back(shard.bytes);
  for (const auto& [name, bytes] : files) input.other_bytes += fetched_with_all(name) ? bytes : 0;
  return forecast(input);
}

InspectedVariant inspect_variant(const fs::path& directory, const Json& json,
                                 const std::map<std::string, std::int64_t>& files, bool generates) {
  InspectedVariant variant;
  variant.dtype = json.at("dtype").get<std::string>();
  variant.file = json.at("file").get<std::string>();
  if (!files.contains(variant.file)) fail("bantam.json does not list {}", quote(variant.file));
  const Graph graph = import_onnx(directory / variant.file);
  variant.graph = inspect_graph(graph);
  variant.bytes = files.at(variant.file);
  std::map<std::string, std::int64_t> shards;
  for (const Json& weight : json.at("tensors")) {
    for (const Json& part : weight.at("parts")) {
      const std::string file = part.at("file").get<std::string>();
      const auto found = files.find(file);
      if (found == files.end())
        fail("bantam.json places a tensor in {} and does not list that file", quote(file));
      shards.insert(*found);
      variant.tensors.push_back({part.at("name").get<std::string>(), weight.at("role").get<std::string>(),
                                 part.at("dtype").get<std::string>(), part.at("shape").get<Shape>(),
                                 part.at("bytes").get<std::int64_t>(), file});
      if (!checked_element_count(variant.tensors.back().shape)) {
        fail("bantam.json: {} has an impossible shape", quote(variant.tensors.back().name));
      }
    }
  }
  for (const auto& [name, bytes] : shards) variant.shards.push_back({name, bytes});
  // "model.onnx_data_10" comes after "model.onnx_data_9".
  std::ranges::stable_sort(variant.shards, {}, [](const InspectedFile& file) { return file.name.size(); });
  for (const InspectedFile& shard : variant.shards) variant.bytes += shard.bytes;
  variant.forecast = forecast_of(graph, variant, files, generates);
  return variant;
}

Inspection inspect_bundle(const fs::path& directory) {
  const fs::path path = directory / "bantam.json";
  const Json manifest = read_json_file(path);
  with_context(path.string(), [&] { check_schema("manifest.schema.json", manifest); });
  Inspection result;
  result.kind = InspectedKind::kBundle;
  const Json& model = manifest.at("model");
  result.family = model.at("family").get<std::string>();
  result.task = model.at("task").get<std::string>();
  result.parameters = model.at("parameters").get<std::int64_t>();
  result.canonical = manifest.at("recipe").value("canonical", false);
  result.default_dtype = model.at("default_dtype").get<std::string>();
  result.notes = manifest.at("notes").get<std::vector<std::string>>();
  with_context(directory.string(), [&] {
    const auto files = check_files(directory, manifest);
    for (const auto& [name, bytes] : files) result.files.push_back({name, bytes});
    for (const Json& json : manifest.at("variants"))
      result.variants.push_back(
          inspect_variant(directory, json, files, result.task == name(Task::kTextGeneration)));
  });
  for (const std::string name : {"bantam.json", "SHA256SUMS"}) {
    result.files.push_back({name, File::open_read(directory / name).size()});
  }
  std::ranges::sort(result.files, {}, &InspectedFile::name);
  result.model_type = Config::read(directory / "config.json").string_or("model_type", "");
  for (const InspectedVariant& variant : result.variants) {
    if (variant.dtype != result.default_dtype) continue;
    result.tensors = variant.tensors;
    result.graph = variant.graph;
  }
  return result;
}

// --- What is it?

// Names of weight files are not always there (blobs of the hub cache): a safetensors header begins behind its
// length.
bool looks_like_safetensors(const fs::path& path) {
  const File file = File::open_read(path);
  std::array<std::byte, 9> start{};
  if (file.size() < std::ssize(start)) return false;
  file.read_at(0, start);
  return start[8] == std::byte{'{'};
}

Inspection inspect_file(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".onnx") return inspect_onnx(path);
  if (extension == ".safetensors" || looks_like_safetensors(path)) {
    return inspect_weights(path, InspectedKind::kSafetensors);
  }
  if (extension == ".bin" || looks_like_torch_file(path)) return inspect_weights(path, InspectedKind::kTorch);
  fail(
      "{}: is neither a .safetensors, a .bin (torch.save) nor an .onnx file; give one of them, or the folder of a "
      "checkpoint or bundle",
      path.string());
}

Inspection inspect_path(std::string_view text) {
  const fs::path path(text);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  const std::string extension = path.extension().string();
  if (fs::exists(status) && !fs::is_directory(status)) return inspect_file(path);
  // No hub id, though it could be one.
  if (!fs::exists(status) && (extension == ".onnx" || extension == ".safetensors"))
    fail_io(text, "open", ENOENT);
  const fs::path directory = resolve_source(text);
  if (fs::exists(directory / "bantam.json", error)) return inspect_bundle(directory);
  if (!fs::exists(directory / "config.json", error)) {
    fail(
        "{}: holds neither config.json nor bantam.json; give the folder of a checkpoint or bundle, or a "
        ".safetensors or "
        ".onnx file",
        directory.string());
  }
  return inspect_checkpoint(directory);
}

template <typename Key>
std::vector<TensorTotal> totals(std::span<const InspectedTensor> tensors, Key key) {
  std::map<std::string, TensorTotal> by_name;
  for (const InspectedTensor& tensor : tensors) {
    TensorTotal& total = by_name[std::invoke(key, tensor)];
    ++total.tensors;
    total.elements += element_count(tensor.shape);
    total.bytes += tensor.bytes;
  }
  std::vector<TensorTotal> sorted;
  for (auto& [name, total] : by_name) {
    total.name = name;
    sorted.push_back(total);
  }
  std::ranges::stable_sort(sorted, std::ranges::greater(), &TensorTotal::bytes);
  return sorted;
}

}  // namespace

std::string_view name(InspectedKind kind) {
  switch (kind) {
    case InspectedKind::kCheckpoint:
      return "checkpoint";
    case InspectedKind::kSafetensors:
      return "safetensors";
    case InspectedKind::kTorch:
      return "torch";
    case InspectedKind::kOnnx:
      return "onnx";
    case InspectedKind::kBundle:
      return "bundle";
  }
  BANTAM_ASSERT(false);
}

std::int64_t Inspection::bytes() const {
  std::int64_t sum = 0;
  for (const InspectedFile& file : files) sum += file.bytes;
  return sum;
}

Inspection inspect(std::string_view path) {
  Inspection result = inspect_path(path);
  result.path = path;
  return result;
}

std::vector<TensorTotal> totals_by_dtype(std::span<const InspectedTensor> tensors) {
  return totals(tensors, &InspectedTensor::dtype);
}
std::vector<TensorTotal> totals_by_role(std::span<const InspectedTensor> tensors) {
  if (std::ranges::all_of(tensors, &std::string::empty, &InspectedTensor::role)) return {};
  return totals(tensors, &InspectedTensor::role);
}

}  // namespace bantam
