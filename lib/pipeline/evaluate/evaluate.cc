#include "pipeline/evaluate/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "calibrate/metrics/token_agreement.h"
#include "convert/checkpoint.h"
#include "convert/lora/adapter.h"
#include "pipeline/evaluate/agreement_of.h"
#include "pipeline/evaluate/layers.h"
#include "pipeline/evaluate/padding.h"
#include "pipeline/evaluate/reference_outputs.h"
#include "pipeline/manifest.h"
#include "quantize/canonical.h"
#include "runtime/session.h"

namespace bantam {
namespace {

using Clock = std::chrono::steady_clock;
using Outputs = std::vector<Tensors>;  // one per sequence of an example

// What was learned about one variant.
struct Candidate {
  const InspectedVariant* variant = nullptr;
  Session session;
  AgreementCollector agreement;
  TokenAgreementCollector tokens;
  std::unique_ptr<Answers> answers;
  std::vector<double> seconds;        // per example
  std::optional<std::size_t> broken;  // first example whose compared outputs are not finite
};

bool all_finite(const Rows& rows) {
  return std::ranges::all_of(rows, [](const std::vector<float>& row) {
    return std::ranges::all_of(row, [](float value) { return std::isfinite(value); });
  });
}

bool is_dynamic_int8(const InspectedVariant& variant) {
  return std::ranges::any_of(variant.graph.ops,
                             [](const OpCount& op) { return op.type == "DynamicQuantizeLinear"; });
}

class Evaluation {
 public:
  Evaluation(const BundleModel& bundle, const EvaluateOptions& options, Progress& progress)
      : bundle_(bundle),
        options_(options),
        progress_(progress),
        type_(options.task.value_or(bundle.task)),
        task_(make_evaluation_task(bundle, type_, options.data)) {
    session_options_.threads = options.threads;
  }

  Report run() {
    choose_variants();
    open();
    compare();
    Report report = describe();
    measure_padding(report);
    close();
    measure_layers(report);
    return report;
  }

 private:
  void choose_variants() {
    if (options_.dtypes.empty()) {
      for (const InspectedVariant& variant : bundle_.contents.variants) variants_.push_back(&variant);
    }
    for (const std::string& dtype : options_.dtypes) variants_.push_back(&bundle_.variant(dtype));
  }

  bool has_fp32() const {
    return std::ranges::any_of(bundle_.contents.variants,
                               [](const InspectedVariant& v) { return v.dtype == "fp32"; });
  }

  // `form`: scaled as the variants of that form are, so that what its layers give can be compared with
  // theirs.
  Session open_reference(const SessionOptions& session_options,
                         std::optional<CanonicalForm> form = {}) const {
    if (!options_.reference.empty()) {
      Checkpoint checkpoint = open_checkpoint(options_.reference);
      if (!options_.reference_adapter.empty()) merge_adapter(checkpoint, options_.reference_adapter);
      return with_context(checkpoint.directory.string(), [&] {
        const Graph graph = build_model(checkpoint, type_).graph;
        if (!form || !bundle_.contents.canonical) return Session(graph, session_options);
        return Session(canonical_sources(graph, threads(), silent_progress()).apply(graph, *form),
                       session_options);
      });
    }
    if (!has_fp32()) {
      fail("{}: holds no fp32 variant to compare with; name the checkpoint it was made of (--reference)",
           bundle_.root.string());
    }
    return bundle_.open(bundle_.variant("fp32"), session_options);
  }

  int threads() const { return options_.threads > 0 ? options_.threads : available_threads(); }
  bool runs_reference() const { return !options_.reference_outputs || !options_.reference.empty(); }

  void open() {
    for (const InspectedVariant* variant : variants_) {
      candidates_.push_back({variant,
                             bundle_.open(*variant, session_options_),
                             AgreementCollector(task_->distribution()),
                             {},
                             task_->answers(),
                             {},
                             {}});
    }
    if (runs_reference()) reference_.emplace(open_reference(session_options_));
    reference_answers_ = task_->answers();
    for (Candidate& candidate : candidates_) candidate.answers->attach(candidate.session);
    if (reference_) reference_answers_->attach(*reference_);
    if (!options_.reference_outputs) return;
    // Only what the task looks at must be there: a pooler's output, for one, is not.
    std::vector<IoSpec> used;
    for (const IoSpec& output : candidates_.front().session.outputs()) {
      const auto names = task_->outputs();
      if (std::ranges::find(names, output.name) != names.end()) used.push_back(output);
    }
    recorded_.emplace(*options_.reference_outputs, std::move(used));
  }

  void compare() {
    const std::int64_t count = std::ssize(task_->data().examples);
    std::int64_t sequence = 0;
    progress_.begin("evaluate", count, ProgressUnit::kItems);
    for (std::int64_t i = 0; i < count; ++i) {
      check_cancelled();
      const auto index = static_cast<std::size_t>(i);
      with_context(task_->data().place(task_->data().examples[index]), [&] {
        const std::vector<Encoding> encodings = task_->encode(index);
        compare_example(index, encodings, sequence);
        sequence += std::ssize(encodings);
      });
      progress_.advance(1);
    }
  }

  void compare_example(std::size_t index, const std::vector<Encoding>& encodings, std::int64_t sequence) {
    std::vector<Outputs> outputs(candidates_.size());
    Outputs expected;
    // Who comes first finds cold caches: every example begins with another one.
    const std::size_t models = candidates_.size() + 1;
    for (std::size_t turn = 0; turn < models; ++turn) {
      const std::size_t model = (index + turn) % models;
      if (model < candidates_.size()) {
        outputs[model] = ask(candidates_[model].session, encodings, candidates_[model].seconds);
      } else if (reference_) {
        expected = ask(*reference_, encodings, reference_seconds_);
      }
    }
    if (recorded_) {
      expected.clear();
      for (std::size_t s = 0; s < encodings.size(); ++s) {
        expected.push_back(recorded_->sequence(sequence + static_cast<std::int64_t>(s), outputs.front()[s]));
      }
    }
    const Rows wanted = task_->rows(encodings, expected);
    if (!all_finite(wanted)) {
      fail("the reference itself gives NaN or infinity here; there is nothing to compare with");
    }
    reference_answers_->add(index, encodings, expected, wanted);
    for (std::size_t c = 0; c < candidates_.size(); ++c) {
      Candidate& candidate = candidates_[c];
      const Rows given = task_->rows(encodings, outputs[c]);
      if (!candidate.broken && !all_finite(given)) candidate.broken = index;
      add_rows(candidate.agreement, wanted, given, candidate.variant->dtype);
      if (!candidate.broken) add_tokens(candidate.tokens, wanted, given, task_->targets(encodings));
      candidate.answers->add(index, encodings, outputs[c], given);
    }
  }

  static Outputs ask(const Session& session, const std::vector<Encoding>& encodings,
                     std::vector<double>& seconds) {
    Outputs outputs;
    double taken = 0;
    for (const Encoding& encoding : encodings) {
      const Tensors inputs = token_inputs(session.inputs(), std::span(&encoding, 1));
      const auto begin = Clock::now();
      outputs.push_back(session.run(inputs));
      taken += std::chrono::duration<double>(Clock::now() - begin).count();
    }
    seconds.push_back(taken);
    return outputs;
  }

  static void add_rows(AgreementCollector& agreement, const Rows& wanted, const Rows& given,
                       const std::string& dtype) {
    if (wanted.size() != given.size()) {
      fail("the reference gives {} rows of outputs, {} gives {}: is it the checkpoint of this bundle?",
           wanted.size(), dtype, given.size());
    }
    for (std::size_t row = 0; row < wanted.size(); ++row) {
      if (wanted[row].size() != given[row].size()) {
        fail("the reference gives outputs of {} numbers, {} of {}: is it the checkpoint of this bundle?",
             wanted[row].size(), dtype, given[row].size());
      }
      agreement.add(wanted[row], given[row]);
    }
  }

  static void add_tokens(TokenAgreementCollector& tokens, const Rows& wanted, const Rows& given,
                         const std::vector<std::int64_t>& targets) {
    BANTAM_ASSERT(targets.empty() || targets.size() == wanted.size());
    for (std::size_t row = 0; row < targets.size(); ++row) tokens.add(wanted[row], given[row], targets[row]);
    tokens.end_window();
  }

  std::string reference_text() const {
    if (options_.reference_outputs) {
      return "outputs recorded in " + options_.reference_outputs->filename().string();
    }
    if (options_.reference.empty()) return "the bundle's own fp32 variant, run natively";
    return "the checkpoint's float32 graph, run natively";
  }

  // Against the float graph, else the bundle's own fp32; 0 where neither ran. The median over the examples,
  // since another process may take the processor away during some of them.
  double speed(const Candidate& candidate) const {
    const std::vector<double>* base = reference_ ? &reference_seconds_ : nullptr;
    for (const Candidate& other : candidates_) {
      if (base == nullptr && other.variant->dtype == "fp32") base = &other.seconds;
    }
    if (base == nullptr) return 0;
    std::vector<double> ratios;
    for (std::size_t i = 0; i < base->size(); ++i) {
      if (candidate.seconds[i] > 0) ratios.push_back((*base)[i] / candidate.seconds[i]);
    }
    return ratios.empty() ? 0 : quantile(ratios, 0.5);
  }

  Report describe() const {
    Report report;
    report.tool_version = tool_version();
    report.model = bundle_.name;
    report.family = bundle_.contents.family;
    report.task = name(type_);
    report.data = options_.data.data.filename().string();
    report.reference = reference_text();
    report.samples = std::ssize(task_->data().examples);
    report.seed = static_cast<std::int64_t>(options_.data.seed);
    report.parameters = bundle_.contents.parameters;
    report.metric = task_->metric();
    report.notes = task_->notes();
    const BootstrapOptions bootstrap_options{options_.resamples, options_.data.seed};
    Scored reference;
    if (!report.metric.empty()) {
      reference = reference_answers_->scored();
      report.reference_score = to_estimate(bootstrap(reference.samples, reference.score, bootstrap_options));
    }
    for (const Candidate& candidate : candidates_) {
      VariantReport variant;
      variant.dtype = candidate.variant->dtype;
      variant.bytes = candidate.variant->bytes;
      variant.bits_per_weight =
          8.0 * static_cast<double>(variant.bytes) / static_cast<double>(bundle_.contents.parameters);
      variant.agreement = agreement_of(candidate.agreement);
      variant.speed = speed(candidate);
      if (!candidate.broken && !candidate.tokens.empty()) variant.tokens = candidate.tokens.result();
      // The answers of a broken variant mean nothing; first_nonfinite says so.
      if (!report.metric.empty() && !candidate.broken) {
        const Scored scored = candidate.answers->scored();
        variant.score = to_estimate(bootstrap(scored.samples, scored.score, bootstrap_options));
        if (report.reference_score->value > 0) {
          const bool lower = task_->lower_is_better();
          variant.retention =
              to_estimate(paired_retention(scored.samples, lower ? reference.score : scored.score,
                                           lower ? scored.score : reference.score, bootstrap_options));
        }
      }
      report.variants.push_back(std::move(variant));
    }
    return report;
  }

  void measure_padding(Report& report) const {
    const Padding padding = Tokenizer::load(bundle_.root).padding();
    for (std::size_t c = 0; c < candidates_.size(); ++c) {
      if (!is_dynamic_int8(*candidates_[c].variant)) continue;
      report.variants[c].padded_max_abs = padded_difference(candidates_[c].session, *task_, padding);
    }
  }

  // Sessions without fusions follow; their weights need the room.
  void close() {
    for (const Candidate& candidate : candidates_) broken_.push_back(candidate.broken);
    candidates_.clear();
    reference_.reset();
  }

  void measure_layers(Report& report) {
    const bool any_broken = std::ranges::any_of(broken_, [](const auto& b) { return b.has_value(); });
    const bool layers = options_.layer_samples > 0 && (runs_reference() || has_fp32());
    if (!layers && !any_broken) return;
    SessionOptions plain = session_options_;
    plain.fuse = false;
    const auto samples = std::min(layers ? options_.layer_samples : 0, report.samples);
    std::optional<Session> reference;
    std::optional<CanonicalForm> form;
    progress_.begin("layers", samples * std::ssize(variants_), ProgressUnit::kItems);
    for (std::size_t v = 0; v < variants_.size(); ++v) {
      const Session session = bundle_.open(*variants_[v], plain);
      const CanonicalForm wanted = form_of(variants_[v]->dtype);
      if (layers && (!reference || (!options_.reference.empty() && form != wanted))) {
        reference.reset();
        reference.emplace(open_reference(plain, wanted));
        form = wanted;
      }
      // The bundle's own fp32 has one scaling.
      LayerErrors errors(options_.reference.empty() && bundle_.contents.canonical);
      for (std::int64_t i = 0; i < samples; ++i) {
        check_cancelled();
        const Encoding encoding = task_->encode(static_cast<std::size_t>(i)).front();
        LayerRecorder expected;
        observe(*reference, encoding, expected);
        LayerRecorder seen(expected.names());
        observe(session, encoding, seen);
        errors.add(expected, seen);
        progress_.advance(1);
      }
      report.variants[v].layers = errors.result();
      if (broken_[v]) report.variants[v].first_nonfinite = first_nonfinite(session, *broken_[v]);
    }
  }

  static CanonicalForm form_of(std::string_view dtype) {
    return canonical_form({.dtype = dtype_from_name(dtype).value_or(DtypeName::kFp32)});
  }

  std::string first_nonfinite(const Session& session, std::size_t index) const {
    const std::vector<std::string> nothing;
    for (const Encoding& encoding : task_->encode(index)) {
      LayerRecorder recorder(nothing);
      observe(session, encoding, recorder);
      if (!recorder.first_nonfinite().empty()) return recorder.first_nonfinite();
    }
    return "the output";
  }

  static void observe(const Session& session, const Encoding& encoding, LayerRecorder& recorder) {
    static_cast<void>(session.run(token_inputs(session.inputs(), std::span(&encoding, 1)), &recorder));
  }

  const BundleModel& bundle_;
  const EvaluateOptions& options_;
  Progress& progress_;
  Task type_;
  EvaluationTaskPtr task_;
  SessionOptions session_options_;
  std::vector<const InspectedVariant*> variants_;
  std::vector<Candidate> candidates_;
  std::vector<std::optional<std::size_t>> broken_;
  std::optional<Session> reference_;
  std::optional<ReferenceOutputs> recorded_;
  std::unique_ptr<Answers> reference_answers_;
  std::vector<double> reference_seconds_;
};

}  // namespace

Report evaluate(const BundleModel& bundle, const EvaluateOptions& options, Progress& progress) {
  return Evaluation(bundle, options, progress).run();
}

}  // namespace bantam
