// Any bytes as a .safetensors file: refused with an Error, or every tensor can be read to its last byte.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "convert/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int descriptor = ::memfd_create("fuzz", 0);
  if (descriptor < 0 || ::write(descriptor, data, size) != static_cast<ssize_t>(size)) std::abort();
  try {
    const auto file = bantam::open_safetensors("/proc/self/fd/" + std::to_string(descriptor));
    std::int64_t total = 0;
    for (const auto& tensor : file.tensors) {
      std::vector<std::byte> bytes(static_cast<std::size_t>(tensor->spec().bytes()));
      tensor->read({0, tensor->spec().rows()}, bytes);
      total += std::ssize(bytes);
    }
    if (total > static_cast<std::int64_t>(size)) std::abort();  // tensors cannot overlap
  } catch (const bantam::Error&) {
  }
  ::close(descriptor);
  return 0;
}
