#pragma once

#include <string_view>
#include <vector>

#include "convert/blocks/layers.h"

namespace bantam {

enum class WeightLayout {
  kOutIn,  // as torch's Linear
  kInOut,  // as transformers' Conv1D, the layers of GPT-2
};

// A linear layer of which the checkpoint holds several as one tensor [out, in], taken apart into those rows,
// so that each has its role and its own scales. Rows are those of [out, in] whatever the layout.
class FusedLinear {
 public:
  FusedLinear(const Module& module, std::int64_t in, std::int64_t out, LinearBias bias,
              WeightLayout layout = WeightLayout::kOutIn);

  // The layer made of these rows, as "<the checkpoint's name of the module>.<name>.weight".
  ValueId linear(ValueId x, std::string_view name, std::vector<RowRange> rows, Role role) const;

 private:
  Module module_;
  TensorSourcePtr weight_;
  TensorSourcePtr bias_;  // null: none
};

}  // namespace bantam
