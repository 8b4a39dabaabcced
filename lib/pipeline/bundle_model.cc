#include "pipeline/bundle_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/convert_kernels.h"
#include "base/error.h"

namespace bantam {
namespace {

struct TokenInput {
  std::string_view name;
  std::vector<std::int64_t> Encoding::*values;
};
constexpr std::array kTokenInputs{
    TokenInput{"input_ids", &Encoding::ids},
    TokenInput{"attention_mask", &Encoding::attention_mask},
    TokenInput{"token_type_ids", &Encoding::type_ids},
};

// As transformers counts them: from 0 at the first token that is no padding; padding has 1.
std::vector<std::int64_t> positions(const Encoding& encoding) {
  std::vector<std::int64_t> result;
  std::int64_t next = 0;
  for (const std::int64_t mask : encoding.attention_mask) result.push_back(mask != 0 ? next++ : 1);
  return result;
}

}  // namespace

const InspectedVariant& BundleModel::variant(std::string_view dtype) const {
  if (dtype.empty()) dtype = contents.default_dtype;
  const auto found = std::ranges::find(contents.variants, dtype, &InspectedVariant::dtype);
  if (found != contents.variants.end()) return *found;
  std::vector<std::string> held;
  for (const InspectedVariant& variant : contents.variants) held.push_back(variant.dtype);
  fail("{}: holds no {}; it has {}", root.string(), quote(dtype), fmt::join(held, ", "));
}

Session BundleModel::open(const InspectedVariant& variant, const SessionOptions& options) const {
  return Session::open(root / variant.file, options);
}

BundleModel open_bundle(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::exists(path / "bantam.json", error)) {
    fail("{}: is not a bundle (it holds no bantam.json); bantam convert makes one", path.string());
  }
  Inspection contents = inspect(path.string());
  const Task task = parse_task(contents.task);
  const std::filesystem::path plain = std::filesystem::absolute(path).lexically_normal();
  std::string name = (plain.has_filename() ? plain : plain.parent_path()).filename().string();
  return {path, std::move(name), std::move(contents), Config::read(path / "config.json"), task};
}

Tokenizer load_tokenizer(const BundleModel& bundle) {
  std::error_code error;
  if (!std::filesystem::exists(bundle.root / "tokenizer.json", error)) {
    fail("{}: holds no tokenizer.json, so it cannot read text; --inputs feeds it tensors",
         bundle.root.string());
  }
  return Tokenizer::load(bundle.root);
}

Tensors token_inputs(std::span<const IoSpec> inputs, std::span<const Encoding> encodings) {
  BANTAM_ASSERT(!encodings.empty());
  const std::int64_t batch = std::ssize(encodings);
  const std::int64_t length = encodings.front().size();
  Tensors tensors;
  for (const IoSpec& input : inputs) {
    if (input.name.starts_with("past_")) {
      tensors.emplace(input.name, empty_cache(input, batch));
      continue;
    }
    if (input.name == "num_logits_to_keep") {
      tensors.emplace(input.name, Tensor(DType::kI64, {}));  // 0: all
      continue;
    }
    if (input.name == "position_ids") {
      std::vector<std::int64_t> values;
      for (const Encoding& encoding : encodings)
        std::ranges::copy(positions(encoding), std::back_inserter(values));
      tensors.emplace(input.name, Tensor::of<std::int64_t>({batch, length}, values));
      continue;
    }
    const auto known = std::ranges::find(kTokenInputs, input.name, &TokenInput::name);
    if (known == kTokenInputs.end()) fail("the graph wants {}, which text does not give", quote(input.name));
    std::vector<std::int64_t> values;
    for (const Encoding& encoding : encodings) {
      BANTAM_ASSERT(encoding.size() == length);
      const std::vector<std::int64_t>& row = encoding.*known->values;
      values.insert(values.end(), row.begin(), row.end());
    }
    tensors.emplace(input.name, Tensor::of<std::int64_t>({batch, length}, values));
  }
  return tensors;
}

Tensor empty_cache(const IoSpec& input, std::int64_t batch) {
  Shape shape;
  for (const Dim& dim : input.dims) shape.push_back(dim.is_fixed() ? dim.value : 0);
  if (shape.empty()) fail("{}: the graph does not declare its dimensions", quote(input.name));
  shape[0] = batch;
  return Tensor(input.dtype, std::move(shape));
}

Tensor batch_row(const Tensor& tensor, std::int64_t row) {
  BANTAM_ASSERT(tensor.rank() > 0 && row >= 0 && row < tensor.dim(0));
  const auto bytes = tensor.bytes().size() / static_cast<std::size_t>(tensor.dim(0));
  Shape shape = tensor.shape();
  shape[0] = 1;
  return Tensor::copy_of(tensor.dtype(), std::move(shape),
                         tensor.bytes().subspan(static_cast<std::size_t>(row) * bytes, bytes));
}

std::vector<float> to_floats(const Tensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.count()));
  switch (tensor.dtype()) {
    case DType::kF32:
      std::ranges::copy(tensor.data<float>(), values.begin());
      break;
    case DType::kF16:
      convert_kernels().fp16_to_float(tensor.data<std::uint16_t>().data(), values.data(), tensor.count());
      break;
    case DType::kBF16:
      convert_kernels().bf16_to_float(tensor.data<std::uint16_t>().data(), values.data(), tensor.count());
      break;
    default:
      fail("a tensor of {} where floats were expected", name(tensor.dtype()));
  }
  return values;
}

const Tensor& output(const Tensors& outputs, std::string_view name) {
  const auto found = outputs.find(name);
  if (found == outputs.end()) fail("the graph has no output {}", quote(name));
  return found->second;
}

}  // namespace bantam
