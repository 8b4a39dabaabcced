// Any bytes as a data set of any kind and text format: refused with an Error, or examples whose labels can be
// read. The first byte chooses kind and format.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "calibrate/dataset.h"
#include "calibrate/labels.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const char* const kFormats[] = {"", "squad", "jsonl", "json", "trec", "conll", "tsv", "csv", "text"};
  const auto kind = static_cast<bantam::DatasetKind>(data[0] % 6);
  bantam::DatasetOptions options;
  options.format = kFormats[data[0] / 6 % 9];
  options.limit = data[0] > 200 ? 2 : 0;
  const int descriptor = ::memfd_create("fuzz", 0);
  if (descriptor < 0 || ::write(descriptor, data + 1, size - 1) != static_cast<ssize_t>(size - 1))
    std::abort();
  try {
    const auto set = bantam::load_dataset("/proc/self/fd/" + std::to_string(descriptor), kind, options);
    if (set.examples.empty()) std::abort();
    const bantam::LabelNames labels{{"O", "B-x"}, false};
    if (set.labelled && kind == bantam::DatasetKind::kClassification) bantam::class_ids(set, labels);
    if (set.labelled && kind == bantam::DatasetKind::kSimilarity) bantam::scores(set);
    if (kind == bantam::DatasetKind::kTokenClassification) bantam::tag_names(set, labels);
  } catch (const bantam::Error&) {
  }
  ::close(descriptor);
  return 0;
}
