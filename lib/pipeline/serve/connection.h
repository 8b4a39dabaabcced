#pragma once

#include "pipeline/serve/site.h"

namespace bantam {

// Answers requests on one connected socket until the other side, an error or cancel_requested() ends it; closes it.
// Never throws.
void serve_connection(int socket, const Site& site) noexcept;

}  // namespace bantam
