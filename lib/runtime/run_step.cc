#include <algorithm>

#include "base/convert_kernels.h"
#include "base/error.h"
#include "runtime/program.h"

namespace bantam {
namespace {

// Every float32 edge as it would be when it were stored as fp16: overflows become infinities. `to` may be
// `from`.
void round_to_fp16(const float* from, float* to, std::int64_t count, ThreadPool& pool) {
  constexpr std::int64_t kPiece = 4096;
  pool.run((count + kPiece - 1) / kPiece, [&](std::int64_t item, int) {
    std::uint16_t half[kPiece];
    const std::int64_t begin = item * kPiece;
    const std::int64_t length = std::min(kPiece, count - begin);
    convert_kernels().float_to_fp16(from + begin, half, length);
    convert_kernels().fp16_to_float(half, to + begin, length);
  });
}

void run_widened(const Step& step, std::span<const OpInput> inputs, std::span<OpOutput> outputs,
                 Memory& memory, ThreadPool& pool) {
  DType narrow = DType::kUndefined;
  std::vector<Tensor> floats;
  floats.reserve(inputs.size());  // pointers into it are handed out
  std::vector<OpInput> seen(inputs.begin(), inputs.end());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i].tensor == nullptr) continue;
    if (narrow == DType::kUndefined) narrow = step.inputs[i].narrowed_from;
    if (!is_half(seen[i].tensor->dtype())) continue;
    if (narrow == DType::kUndefined) narrow = seen[i].tensor->dtype();
    floats.push_back(to_float32(*seen[i].tensor, memory, &pool));
    seen[i] = {&floats.back(), true};
  }
  OpRun run(seen, outputs, memory, pool);
  step.run(run);
  if (narrow == DType::kUndefined) return;
  for (OpOutput& output : outputs) {
    if (output.tensor.dtype() == DType::kF32 && !output.stays_float) {
      output.tensor = to_half(output.tensor, narrow, memory, &pool);
    }
  }
}

}  // namespace

Tensor rounded_to_fp16(const Tensor& tensor, Memory& memory, ThreadPool& pool) {
  Tensor rounded(DType::kF32, tensor.shape(), memory.allocate(std::ssize(tensor.bytes())));
  round_to_fp16(tensor.data<float>().data(), rounded.mutable_data<float>().data(), tensor.count(), pool);
  return rounded;
}

void run_step(const Step& step, std::span<const OpInput> inputs, std::span<OpOutput> outputs,
              const SessionOptions& options, Memory& memory, ThreadPool& pool) {
  if (step.half == Half::kWiden) {
    run_widened(step, inputs, outputs, memory, pool);
  } else {
    OpRun run(inputs, outputs, memory, pool);
    step.run(run);
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    Tensor& tensor = outputs[i].tensor;
    if (outputs[i].wanted && !tensor.defined())
      fail("output {} was asked for, but the op does not make it", i);
    if (options.emulate_fp16 && tensor.dtype() == DType::kF32) {
      if (!tensor.owns_alone()) continue;  // a view of what has been rounded already
      float* values = tensor.mutable_data<float>().data();
      round_to_fp16(values, values, tensor.count(), pool);
    }
  }
}

}  // namespace bantam
