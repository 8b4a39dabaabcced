#pragma once

namespace bantam {

// From now on the first SIGINT, SIGTERM or SIGHUP asks for cancellation (base/parallel.h), so that the work
// can clean up; the second one of its kind ends the process at once. What the parent told us to ignore stays
// ignored. SIGPIPE and SIGXFSZ are ignored: a reader that goes away and a file that may not grow are failed
// writes.
void cancel_on_signals();

// The signal that asked for cancellation, 0 when none did.
int cancelling_signal();

}  // namespace bantam
