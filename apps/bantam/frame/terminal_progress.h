#pragma once

#include <memory>

#include "base/progress.h"

namespace bantam {

// Progress on stderr. On a terminal: one line that redraws itself at most ten times a second, with
// percentage, rate and time left, and disappears when the phase ends; NO_COLOR and TERM=dumb are honoured.
// Elsewhere: a plain line when a phase ends and every ten seconds within one. Notes are lines of their own.
// With `verbose`, begin and end of each phase are logged with times instead of drawn.
std::unique_ptr<Progress> make_terminal_progress(bool verbose);

}  // namespace bantam
