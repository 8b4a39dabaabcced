#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/metrics/token_agreement.h"
#include "pipeline/report/budget_frontier.h"

namespace bantam {

inline constexpr int kReportSchemaVersion = 1;

// A figure with its 95 % bootstrap confidence interval.
struct Estimate {
  double value = 0;
  double low = 0;
  double high = 0;
};

// How close a variant's outputs are to the reference's, over all compared positions.
struct Agreement {
  std::int64_t positions = 0;  // distributions or vectors compared
  double kl_mean =
      0;  // KL(reference || variant) of softmax(logits), nats; 0 where the output is no distribution
  double kl_p999 = 0;
  double kl_max = 0;
  double top1 = 1;  // share of equal arg max
  double cosine_mean = 1;
  double cosine_p1 = 1;  // first percentile
  double cosine_min = 1;
  double max_abs = 0;
  std::vector<double> kl;  // per position, for the histogram (at most a few thousand, evenly taken)
};

// Error of one layer's output against the reference run on the same input.
struct LayerError {
  std::string name;
  double sqnr_db = 0;  // 20 log10(|x| / |x - y|)
  double cosine = 1;
};

struct VariantReport {
  std::string dtype;
  std::int64_t bytes = 0;
  double bits_per_weight = 0;
  std::optional<Estimate> score;      // absent without labels
  std::optional<Estimate> retention;  // score / reference score, paired bootstrap
  Agreement agreement;
  std::optional<TokenAgreement> tokens;  // of models of text that predict the text's tokens
  std::vector<LayerError> layers;        // in order of execution
  std::string first_nonfinite;           // node whose output first held NaN or infinity; empty: none
  double speed = 0;  // time of the float reference / time of the variant, native runtime; 0: not measured
  std::optional<double> padded_max_abs;  // batch of one against padded batch, dynamic INT8 only
};

struct Gate {
  std::string name;  // "--min-retention"
  std::string dtype;
  double limit = 0;
  double value = 0;
  enum class Verdict { kPassed, kMissed, kUndecided } verdict = Verdict::kPassed;
  std::string text;  // one sentence
};

struct Report {
  std::string tool_version;
  std::string model;  // what the user typed
  std::string family;
  std::string task;
  std::string metric;     // "accuracy"; empty without labels
  std::string data;       // file name
  std::string reference;  // "float32 graph of <checkpoint>" or the file of recorded outputs
  std::int64_t samples = 0;
  std::int64_t seed = 0;
  std::int64_t parameters = 0;
  std::optional<Estimate> reference_score;
  std::vector<VariantReport> variants;
  std::vector<Gate> gates;
  std::vector<BudgetFrontier> frontiers;  // of variants whose bits a budget chose
  std::vector<std::string> notes;
};

// schemas/report.schema.json
std::string report_json(const Report& report);
// Reads report.json back; another schema version or a broken file is an Error.
Report read_report(const std::string& path);
// GitHub-flavoured, for a CI job's summary.
std::string report_markdown(const Report& report);
// One self-contained page: table, size against retention, frontiers of budgets, per-layer SQNR, KL histogram.
// No script, no outside resource.
std::string report_html(const Report& report);

}  // namespace bantam
