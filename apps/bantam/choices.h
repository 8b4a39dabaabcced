#pragma once

#include <vector>

#include "frame/options.h"

namespace bantam {

// The words of options that several commands have.
std::vector<Choice> dtype_choices();
std::vector<Choice> task_choices();

}  // namespace bantam
