#pragma once

#include <string>

#include "pipeline/inspect.h"

namespace bantam {

// Tables for a terminal. Every tensor with `all`, else the largest ten.
std::string describe_inspection(const Inspection& inspection, bool all);

}  // namespace bantam
