#include "pipeline/evaluate/padding.h"

#include <algorithm>
#include <cmath>

namespace bantam {
namespace {

constexpr std::int64_t kSamples = 16;

double largest_difference(const Rows& one, const Rows& other) {
  double largest = 0;
  for (std::size_t row = 0; row < one.size(); ++row) {
    for (std::size_t i = 0; i < one[row].size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(one[row][i]) - other[row][i]));
    }
  }
  return largest;
}

}  // namespace

double padded_difference(const Session& session, const EvaluationTask& task, const Padding& padding) {
  std::vector<Encoding> alone;
  for (std::size_t i = 0; i < task.data().examples.size() && std::ssize(alone) < kSamples; ++i) {
    alone.push_back(task.encode(i).front());
  }
  std::vector<Encoding> padded = alone;
  pad(padded, padding);
  const Tensors together = session.run(token_inputs(session.inputs(), padded));
  double largest = 0;
  for (std::size_t i = 0; i < alone.size(); ++i) {
    Tensors row;
    for (const auto& [name, tensor] : together)
      row.emplace(name, batch_row(tensor, static_cast<std::int64_t>(i)));
    const Tensors single = session.run(token_inputs(session.inputs(), std::span(&alone[i], 1)));
    largest = std::max(largest, largest_difference(task.rows(std::span(&alone[i], 1), std::span(&single, 1)),
                                                   task.rows(std::span(&padded[i], 1), std::span(&row, 1))));
  }
  return largest;
}

}  // namespace bantam
