#pragma once

#include <string>
#include <vector>

namespace bantam {

struct ManualPage {
  std::string name;  // "bantam-convert": the file is <name>.1
  std::string roff;  // man(7) macros
};

// The overview and one page per command.
std::vector<ManualPage> manual_pages();

}  // namespace bantam
