#pragma once

#include "calibrate/metrics/agreement.h"
#include "calibrate/metrics/bootstrap.h"
#include "pipeline/report/report.h"

namespace bantam {

// The figures of a report from what was collected.
Agreement agreement_of(const AgreementCollector& collected);
Estimate to_estimate(const Interval& interval);

}  // namespace bantam
