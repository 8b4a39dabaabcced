#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "convert/checkpoint.h"
#include "graph/shape.h"
#include "graph/tensor_source.h"

namespace bantam {

// The tensors of a checkpoint while a family builds its graph: every tensor is claimed once, dropped by name,
// or finish() fails with the list of what is missing, what is left over and which shapes disagree with
// config.json.
class Weights {
 public:
  explicit Weights(const Checkpoint& checkpoint);

  // Removes the first of these prefixes that any tensor has ("bert.") from every name that has it, so that
  // families see one form. Other names stay as they are. Two tensors that would get one name are an error.
  void strip_prefix(std::initializer_list<std::string_view> prefixes);

  bool has(std::string_view name) const;
  // The tensor under the first of `names` that exists, checked against `shape` and to be of a float type. One
  // that is missing or disagrees is remembered for finish(), and a placeholder of that shape (F32; reading it
  // is an error) is returned so that the build can go on and find all of them. Gives up after a thousand
  // problems: throws then, and for shapes whose bytes do not fit into int64. Claiming a tensor again (a tied
  // head) returns it again.
  TensorSourcePtr claim(std::initializer_list<std::string_view> names, const Shape& shape);
  TensorSourcePtr claim(std::string_view name, const Shape& shape);

  // Tensors that carry nothing the graph needs (buffers, heads of other tasks): exact names or "prefix*" or
  // "*suffix". What was claimed before stays claimed. Returns the checkpoint's names of those that matched,
  // sorted, so that the family can say what was left out.
  std::vector<std::string> drop(std::initializer_list<std::string_view> patterns);

  // The heads that the family has to leave out; null: none. A family that never asks cannot: finish() says
  // so.
  const HeadPruning* pruning();

  // Throws Error listing missing names, left-over names and wrong shapes, at most ten of each, with counts.
  void finish() const;

 private:
  struct Entry {
    std::string original;
    TensorSourcePtr source;
    bool used = false;
  };
  [[noreturn]] void fail_with(std::vector<std::string> left_over) const;

  std::string file_;
  std::optional<HeadPruning> pruning_;
  bool asked_for_pruning_ = false;
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<std::string> missing_;
  std::vector<std::string> mismatched_;
};

}  // namespace bantam
