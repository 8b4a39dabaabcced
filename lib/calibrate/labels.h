#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "calibrate/dataset.h"

namespace bantam {

// The classes of a model, in the order of its logits.
struct LabelNames {
  std::vector<std::string> names;
  bool generic = false;  // LABEL_0, LABEL_1, ...: they say nothing

  std::int64_t size() const { return static_cast<std::int64_t>(names.size()); }
};

// id2label of config.json (label2id where that alone is there; LABEL_0, ... for num_labels). Throws when ids
// are not 0..n-1 or two classes share a name.
LabelNames label_names(const Json& config);

// What the data calls a class -> what the model calls it; for those that differ by more than case.
using LabelRenames = std::map<std::string, std::string>;

// The class of each example. Text is a name of the model's (exactly, else without regard to case), or a
// number that is an index. Integers are indices; where the file knows their names (Dataset::classes) and the
// model has all of these, they are matched by name. Throws file and line of a label that is none of the
// model's, with those that are.
std::vector<std::int64_t> class_ids(const Dataset& dataset, const LabelNames& labels,
                                    const LabelRenames& renames = {});

// The score of each example as a number (similarity, relevance, regression).
std::vector<double> scores(const Dataset& dataset);

// The tag of each word of each example as text: integers by Dataset::classes, else by the model's labels.
// Text is taken as it is: a data set may have types that the model does not know.
std::vector<std::vector<std::string>> tag_names(const Dataset& dataset, const LabelNames& labels,
                                                const LabelRenames& renames = {});

}  // namespace bantam
