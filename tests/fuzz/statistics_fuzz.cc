// Any bytes as a file of statistics: refused with an Error, or everything in it can be read. An input whose
// first byte is even is the file as it is; else the second byte says how many blocks of 64 bytes of tensors
// follow, and what comes then is an index that gets a right header.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "calibrate/statistics/statistics_file.h"
#include "calibrate/statistics/statistics_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string content;
  if (data[0] % 2 == 0) {
    content = text.substr(1);
  } else {
    const std::size_t tensors = std::size_t{data[1]} * 64;
    if (size < 2 + tensors) return 0;
    const std::string_view index = text.substr(2 + tensors);
    const auto header = bantam::statistics_header(static_cast<std::int64_t>(64 + tensors), index);
    content.assign(reinterpret_cast<const char*>(header.data()), header.size());
    content += text.substr(2);
  }
  const int descriptor = ::memfd_create("fuzz", 0);
  if (descriptor < 0 || ::write(descriptor, content.data(), content.size()) != std::ssize(content))
    std::abort();
  try {
    const auto file = bantam::StatisticsFile::open("/proc/self/fd/" + std::to_string(descriptor));
    for (std::size_t site = 0; site < file.info().sites.size(); ++site) {
      if (file.info().sites[site].width > 4096) continue;  // a narrow machine
      bantam::SiteStatistics statistics = file.channels(site);
      const bantam::TriangleSums products = file.products(site);
      statistics.add(file.channels(site));
      if (products.bins().empty() || products.width() > 64) continue;
      std::vector<float> matrix(static_cast<std::size_t>(products.width() * products.width()));
      products.read(1, matrix);
    }
  } catch (const bantam::Error&) {
  }
  ::close(descriptor);
  return 0;
}
