#include "pipeline/tensor_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/table.h"
#include "convert/safetensors.h"
#include "convert/safetensors_writer.h"
#include "pipeline/bundle_model.h"

namespace bantam {
namespace {

// "input_ids int64 [batch, 128]"
std::string describe(const IoSpec& spec) {
  std::string text = fmt::format("{} {}", quote(spec.name), name(spec.dtype));
  if (!spec.has_dims) return text;
  std::string dims;
  for (const Dim& dim : spec.dims) {
    dims += dims.empty() ? "" : ", ";
    dims += dim.is_fixed() ? std::to_string(dim.value) : dim.symbol.empty() ? "?" : dim.symbol;
  }
  return fmt::format("{} [{}]", text, dims);
}

std::string describe(std::span<const IoSpec> specs) {
  std::string text;
  for (const IoSpec& spec : specs) text += (text.empty() ? "" : ", ") + describe(spec);
  return text;
}

Tensor read_tensor(const TensorSource& source) {
  const TensorSpec& spec = source.spec();
  Tensor tensor(spec.dtype, spec.shape);
  if (spec.bytes() > 0) source.read({0, spec.rows()}, tensor.mutable_bytes());
  return tensor;
}

}  // namespace

Tensors read_inputs(const std::filesystem::path& path, std::span<const IoSpec> inputs) {
  const WeightFile file = open_safetensors(path);
  return with_context(path.string(), [&] {
    Tensors tensors;
    for (const TensorSourcePtr& source : file.tensors) {
      const std::string& name = source->spec().name;
      if (std::ranges::find(inputs, name, &IoSpec::name) == inputs.end()) {
        fail("{}: the graph has no input of that name; it reads {}", quote(name), describe(inputs));
      }
      tensors.emplace(name, read_tensor(*source));
    }
    for (const IoSpec& input : inputs) {
      if (!tensors.contains(input.name)) fail("holds no {}", describe(input));
    }
    return tensors;
  });
}

void write_tensors(const File& file, const Tensors& tensors) {
  std::vector<SafetensorsTensor> list;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.dtype() == DType::kString) fail("{}: safetensors holds no text", quote(name));
    list.push_back({{name, tensor.dtype(), tensor.shape()}, tensor.bytes()});
  }
  write_safetensors(file, list);
}

std::string tensors_table(const Tensors& tensors) {
  Table table({{"output"},
               {"dtype"},
               {"shape"},
               {"min", Align::kRight},
               {"max", Align::kRight},
               {"not finite", Align::kRight}});
  for (const auto& [name, tensor] : tensors) {
    std::vector<std::string> row = {name, std::string(bantam::name(tensor.dtype())),
                                    to_string(tensor.shape())};
    const bool floats =
        tensor.dtype() == DType::kF32 || tensor.dtype() == DType::kF16 || tensor.dtype() == DType::kBF16;
    if (floats && tensor.count() > 0) {
      double least = HUGE_VAL, most = -HUGE_VAL;
      std::int64_t nonfinite = 0;
      for (const float value : to_floats(tensor)) {
        if (!std::isfinite(value)) ++nonfinite;
        least = std::min<double>(least, value);
        most = std::max<double>(most, value);
      }
      row.insert(row.end(),
                 {fmt::format("{:.6g}", least), fmt::format("{:.6g}", most), std::to_string(nonfinite)});
    }
    table.add_row(std::move(row));
  }
  return table.text();
}

Json tensors_json(const Tensors& tensors) {
  Json list = Json::array();
  for (const auto& [name, tensor] : tensors) {
    list.push_back({{"name", name}, {"dtype", bantam::name(tensor.dtype())}, {"shape", tensor.shape()}});
  }
  return list;
}

}  // namespace bantam
