#pragma once

#include <cstdint>
#include <string>

#include "base/progress.h"

namespace bantam {

// Where a phase stands, and the words for it. Knows no clock and no terminal.
struct ProgressMeter {
  std::string phase;
  std::int64_t total = 0;
  ProgressUnit unit = ProgressUnit::kBytes;

  // "encode  45%  1.2 GiB/s  3.4 s left": at most `width` columns. Without a total: what is done so far. The
  // rate and the time left appear once they mean something.
  std::string line(std::int64_t done, double seconds, std::size_t width, bool color) const;
  // "encode: 5.6 MiB in 0.1 s (56 MiB/s)"
  std::string summary(std::int64_t done, double seconds) const;
  // "encode: 45% (2.5 of 5.6 MiB)"; for logs.
  std::string standing(std::int64_t done) const;

 private:
  std::string amount(double units) const;
};

}  // namespace bantam
