#include "graph/onnx_import.h"

#include <onnx.pb.h>

#include <charconv>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/checked.h"
#include "base/error.h"
#include "graph/onnx_attribute.h"
#include "graph/onnx_skeleton.h"
#include "graph/onnx_tensor.h"
#include "graph/topological.h"
#include "graph/unsupported.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

// Old opsets spell the default domain out.
std::string domain_of(const std::string& domain) {
  return domain == "ai.onnx" ? std::string() : domain;
}

// The file names and ranges of external data, opened once per file and never outside the model's folder.
class ExternalFiles {
 public:
  explicit ExternalFiles(fs::path folder) : folder_(std::move(folder)) {}

  TensorSourcePtr source(const onnx::TensorProto& proto, TensorSpec spec) {
    std::string location;
    std::int64_t offset = 0;
    const std::int64_t expected = spec.bytes();
    std::int64_t length = expected;
    for (const auto& entry : proto.external_data()) {
      if (entry.key() == "location") location = entry.value();
      if (entry.key() == "offset") offset = number(entry);
      if (entry.key() == "length") length = number(entry);
    }
    if (length != expected) {
      fail("external data of {} bytes where {} {} needs {}", length, name(spec.dtype), to_string(spec.shape),
           expected);
    }
    const std::shared_ptr<const File> file = open(location);
    const auto end = checked_add(offset, length);
    if (!end || *end > file->size()) {
      fail(
          "external data ends at byte {} of {}, which has {} bytes; the file is truncated or belongs to "
          "another model",
          end.value_or(INT64_MAX), location, file->size());
    }
    return make_file_source(std::move(spec), file, offset);
  }

 private:
  static std::int64_t number(const onnx::StringStringEntryProto& entry) {
    const std::string& text = entry.value();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) {
      fail("external data {} \"{}\" is not a size", entry.key(), text);
    }
    return value;
  }

  std::shared_ptr<const File> open(const std::string& location) {
    const fs::path relative(location);
    bool inside = !location.empty() && relative.is_relative();
    for (const fs::path& part : relative) inside = inside && part != "..";
    if (!inside) fail("external data location \"{}\" leaves the model's folder", location);
    auto& file = files_[location];
    if (!file) file = std::make_shared<File>(File::open_read(folder_ / relative));
    return file;
  }

  fs::path folder_;
  std::map<std::string, std::shared_ptr<const File>> files_;
};

class Importer {
 public:
  Importer(const onnx::ModelProto& model, const std::vector<RawRange>& raw, std::shared_ptr<const File> file)
      : model_(model),
        proto_(model.graph()),
        raw_(raw),
        file_(std::move(file)),
        external_(file_->path().parent_path()) {}

  Graph run() {
    read_opsets();
    graph_.name = proto_.name().empty() ? "model" : proto_.name();
    if (proto_.sparse_initializer_size() > 0) fail_unsupported("sparse initializers are not supported");
    for (int i = 0; i < proto_.initializer_size(); ++i) read_initializer(i);
    for (const auto& input : proto_.input()) {
      if (constants_.contains(input.name())) continue;
      graph_.inputs.push_back(define(input.name(), "input"));
      with_context("input " + input.name(), [&] { declare(input, graph_.inputs.back(), true); });
    }
    for (int i = 0; i < proto_.node_size(); ++i) read_node(proto_.node(i), i);
    sort_nodes(graph_);
    for (const auto& output : proto_.output()) {
      const auto known = ids_.find(output.name());
      if (known == ids_.end()) fail("graph output {} is produced by no node", output.name());
      graph_.outputs.push_back(known->second);
      with_context("output " + output.name(), [&] { declare(output, known->second, true); });
    }
    for (const auto& info : proto_.value_info()) {
      if (const auto known = ids_.find(info.name()); known != ids_.end()) declare(info, known->second, false);
    }
    graph_.check();
    return std::move(graph_);
  }

 private:
  void read_opsets() {
    if (model_.functions_size() > 0) {
      fail_unsupported("local function {} is not supported; export the model with its functions inlined",
           model_.functions(0).name());
    }
    graph_.ir_version = model_.ir_version();
    for (const auto& opset : model_.opset_import())
      graph_.opsets[domain_of(opset.domain())] = opset.version();
    // IR 1 and 2 knew no opsets; they meant version 1.
    if (model_.opset_import_size() == 0) graph_.opsets[""] = 1;
  }

  ValueId id_of(const std::string& value) {
    const auto [entry, added] = ids_.try_emplace(value, 0);
    if (added) entry->second = graph_.add_value(value, DType::kUndefined);
    return entry->second;
  }

  ValueId define(const std::string& value, std::string_view what) {
    if (value.empty()) fail("an {} without a name", what);
    if (!defined_.insert(value).second) fail("{} {} is defined twice", what, value);
    return id_of(value);
  }

  void read_initializer(int index) {
    const onnx::TensorProto& proto = proto_.initializer(index);
    with_context("initializer " + proto.name(), [&] {
      const ValueId id = define(proto.name(), "initializer");
      constants_.insert(proto.name());
      TensorSpec spec = tensor_spec_of(proto);
      Value& value = graph_.value(id);
      value.dtype = spec.dtype;
      value.has_dims = true;
      for (const std::int64_t dim : spec.shape) value.dims.push_back(Dim::fixed(dim));
      if (spec.dtype == DType::kString) {
        graph_.constants.push_back({id, tensor_data_of(proto)});
      } else {
        add_weight(id, spec, source_of(proto, raw_[static_cast<std::size_t>(index)], spec));
      }
    });
  }

  TensorSourcePtr source_of(const onnx::TensorProto& proto, RawRange raw, const TensorSpec& spec) {
    if (proto.data_location() == onnx::TensorProto::EXTERNAL) return external_.source(proto, spec);
    if (raw.size >= 0) {
      if (raw.size != spec.bytes()) {
        fail("{} bytes where {} {} needs {}", raw.size, name(spec.dtype), to_string(spec.shape),
             spec.bytes());
      }
      return make_file_source(spec, file_, raw.offset);
    }
    return make_memory_source(spec, tensor_data_of(proto).bytes);
  }

  void add_weight(ValueId id, const TensorSpec& spec, TensorSourcePtr source) {
    if (spec.bytes() <= kMaxImportedConstantBytes) {
      TensorData data{
          spec.dtype, spec.shape, std::vector<std::byte>(static_cast<std::size_t>(spec.bytes())), {}};
      source->read({0, spec.rows()}, data.bytes);
      graph_.constants.push_back({id, std::move(data)});
      return;
    }
    const bool as_float =
        spec.dtype == DType::kF32 || spec.dtype == DType::kF16 || spec.dtype == DType::kBF16;
    WeightPart part{{id}, {spec.shape}, spec.dtype};
    graph_.weights.push_back({spec.name,
                              Role::kOther,
                              std::move(source),
                              as_float ? float_codec() : raw_codec(),
                              {std::move(part)}});
  }

  void read_node(const onnx::NodeProto& proto, int index) {
    Node node;
    node.domain = domain_of(proto.domain());
    node.type = proto.op_type();
    node.name = proto.name().empty() ? fmt::format("{}_{}", node.type, index) : proto.name();
    with_context(fmt::format("node {} ({})", node.name, node.type), [&] {
      for (const auto& attribute : proto.attribute()) node.attributes.push_back(attribute_of(attribute));
      for (const std::string& input : proto.input())
        node.inputs.push_back(input.empty() ? kNoValue : id_of(input));
      for (const std::string& output : proto.output()) {
        node.outputs.push_back(output.empty() ? kNoValue : define(output, "output"));
      }
    });
    graph_.nodes.push_back(std::move(node));
  }

  void declare(const onnx::ValueInfoProto& info, ValueId id, bool required) {
    Value& value = graph_.value(id);
    if (!info.type().has_tensor_type()) {
      if (required && info.has_type()) fail_unsupported("is not a tensor");
      return;
    }
    const auto& type = info.type().tensor_type();
    const auto dtype = dtype_from_onnx(type.elem_type());
    if (!dtype) fail_unsupported("element type {} is not supported", type.elem_type());
    if (value.dtype != DType::kUndefined) return;  // an initializer knows better
    value.dtype = *dtype;
    if (!type.has_shape()) return;
    value.has_dims = true;
    value.dims.clear();
    for (const auto& dim : type.shape().dim()) {
      if (dim.has_dim_value() && dim.dim_value() < 0) fail("dimension {} is negative", dim.dim_value());
      value.dims.push_back(dim.has_dim_value() ? Dim::fixed(dim.dim_value()) : Dim::named(dim.dim_param()));
    }
  }

  const onnx::ModelProto& model_;
  const onnx::GraphProto& proto_;
  const std::vector<RawRange>& raw_;
  std::shared_ptr<const File> file_;
  ExternalFiles external_;
  Graph graph_;
  std::unordered_map<std::string, ValueId> ids_;
  std::unordered_set<std::string> defined_;
  std::unordered_set<std::string> constants_;
};

}  // namespace

Graph import_onnx(const fs::path& path) {
  const auto file = std::make_shared<const File>(File::open_read(path));
  return with_context(path.string(), [&] {
    const OnnxSkeleton skeleton = read_onnx_skeleton(*file);
    onnx::ModelProto model;
    if (!model.ParseFromString(skeleton.model))
      fail("is not an ONNX model: its protobuf text does not parse");
    if (model.graph().initializer_size() != std::ssize(skeleton.raw))
      fail("is not an ONNX model: broken initializers");
    return Importer(model, skeleton.raw, file).run();
  });
}

}  // namespace bantam
