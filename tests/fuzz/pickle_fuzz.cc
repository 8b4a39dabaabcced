// Any bytes as a file of torch.save, and as the pickle in one: refused with an Error, or every tensor lies in
// its storage and can be read to its last byte.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "convert/pickle.h"
#include "convert/torch_file.h"

namespace {

void read_pickle(std::span<const std::byte> bytes) {
  const bantam::Pickle pickle = bantam::parse_pickle(bytes);
  if (pickle.root >= pickle.values.size()) std::abort();
  for (const bantam::PickleValue& value : pickle.values) {
    for (const bantam::PickleId item : value.items) {
      if (item >= pickle.values.size()) std::abort();
    }
  }
  for (const bantam::PickleTensor& tensor : pickle.tensors) {
    const std::int64_t elements = pickle.storages.at(tensor.storage).elements;
    std::int64_t last = tensor.offset;
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) last += (tensor.shape[d] - 1) * tensor.strides[d];
    const bool empty = std::ranges::find(tensor.shape, 0) != tensor.shape.end();
    if (empty ? tensor.offset > elements : last >= elements) std::abort();
  }
}

void read_file(const std::uint8_t* data, std::size_t size) {
  const int descriptor = ::memfd_create("fuzz", 0);
  if (descriptor < 0 || ::write(descriptor, data, size) != static_cast<ssize_t>(size)) std::abort();
  try {
    for (const auto& tensor :
         bantam::open_torch_file("/proc/self/fd/" + std::to_string(descriptor)).tensors) {
      if (tensor->spec().bytes() > 1 << 20) continue;  // a few bytes may be repeated to many
      std::vector<std::byte> bytes(static_cast<std::size_t>(tensor->spec().bytes()));
      tensor->read({0, tensor->spec().rows()}, bytes);
    }
  } catch (const bantam::Error&) {
  }
  ::close(descriptor);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_file(data, size);
  try {
    read_pickle(std::as_bytes(std::span(data, size)));
  } catch (const bantam::Error&) {
  }
  return 0;
}
