#include "pipeline/evaluate/reference_outputs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace bantam {
namespace {

// Row 0 of a batch of one, cut out of a stacked row, which may be padded behind its tokens where it has any.
std::vector<float> cut(std::span<const float> row, const Shape& stacked, const Shape& wanted, bool tokens) {
  if (std::equal(stacked.begin() + 1, stacked.end(), wanted.begin() + 1, wanted.end())) {
    return {row.begin(), row.end()};
  }
  if (!tokens || stacked.size() != wanted.size() || stacked[1] < wanted[1] ||
      !std::equal(stacked.begin() + 2, stacked.end(), wanted.begin() + 2, wanted.end())) {
    fail("shape {} where {} was expected (the first dimension counts sequences)", to_string(stacked),
         to_string(wanted));
  }
  const auto unpadded = row.first(static_cast<std::size_t>(element_count(wanted)));
  return {unpadded.begin(), unpadded.end()};
}

}  // namespace

ReferenceOutputs::ReferenceOutputs(const std::filesystem::path& path, std::vector<IoSpec> outputs)
    : path_(path), outputs_(std::move(outputs)) {
  for (TensorSourcePtr& tensor : open_safetensors(path).tensors) {
    const std::string tensor_name = tensor->spec().name;
    tensors_.emplace(tensor_name, std::move(tensor));
  }
  for (const IoSpec& spec : outputs_) {
    const std::string& output = spec.name;
    if (!tensors_.contains(output) && !tensors_.contains(output + ".0")) {
      fail("{}: holds neither {} (all sequences stacked) nor {} (one tensor per sequence)", path_.string(),
           quote(output), quote(output + ".0"));
    }
  }
}

Tensors ReferenceOutputs::sequence(std::int64_t index, const Tensors& like) const {
  Tensors outputs;
  for (const IoSpec& spec : outputs_) {
    const std::string& output = spec.name;
    const bool tokens = spec.has_dims && spec.dims.size() >= 2 && !spec.dims[1].is_fixed();
    const Shape& shape = like.at(output).shape();
    const auto stacked = tensors_.find(output);
    const auto found =
        stacked != tensors_.end() ? stacked : tensors_.find(output + "." + std::to_string(index));
    if (found == tensors_.end()) {
      fail("{}: holds no {}", path_.string(), quote(output + "." + std::to_string(index)));
    }
    const TensorSource& source = *found->second;
    with_context(path_.string() + ": " + source.spec().name, [&] {
      std::vector<std::byte> scratch;
      std::vector<float> values;
      if (stacked != tensors_.end()) {
        if (index >= source.spec().rows()) {
          fail(
              "{} sequences where more were expected: it was made from other data or without the second texts",
              source.spec().rows());
        }
        std::vector<float> row(static_cast<std::size_t>(source.spec().width()));
        read_as_float(source, {index, index + 1}, scratch, row);
        values = cut(row, source.spec().shape, shape, tokens);
      } else {
        values = read_all_as_float(source);
        if (std::ssize(values) != element_count(shape)) {
          fail("shape {} where {} was expected: was it made from the same texts and tokenizer?",
               to_string(source.spec().shape), to_string(shape));
        }
      }
      outputs.emplace(output, Tensor::of<float>(shape, values));
    });
  }
  return outputs;
}

}  // namespace bantam
