#include "pipeline/calibrate/accuracy_control.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "calibrate/metrics/agreement.h"
#include "pipeline/evaluate/evaluation_task.h"
#include "pipeline/tokenizer_files.h"
#include "quantize/policy.h"
#include "quantize/quantize.h"

namespace bantam {
namespace {

constexpr std::size_t kRanked = 64;     // examples that rank linears
constexpr std::size_t kCompared = 300;  // examples that are compared where there is nothing to score by

// The checkpoint's tokenizer where evaluation looks for it: in a folder.
class TokenizerFolder {
 public:
  explicit TokenizerFolder(const Checkpoint& checkpoint)
      : staged_(std::filesystem::temp_directory_path() / fmt::format("bantam-{}.tokenizer", ::getpid()), true) {
    std::vector<std::string> notes;
    for (const SmallFile& file : collect_small_files(checkpoint, notes)) {
      if (file.name.find('/') != std::string::npos) continue;
      write_text_file(staged_.path() / file.name,
                      file.copy_of.empty() ? file.text : read_text_file(file.copy_of, file.bytes));
    }
  }
  const std::filesystem::path& path() const { return staged_.path(); }

 private:
  StagedDirectory staged_;
};

class Control {
 public:
  Control(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model, const Measurements& measured,
          Variant& variant, Progress& progress)
      : recipe_(recipe),
        model_(model),
        variant_(variant),
        progress_(progress),
        calibrated_{measured.statistics, std::make_shared<FactorCache>(recipe.stats_memory),
                    measured.ranges.at(variant.static_int8->ranges)},
        folder_(checkpoint),
        bundle_{folder_.path(), "", {}, checkpoint.config, model.task},
        task_(make_evaluation_task(bundle_, model.task, recipe.goal->data)) {}

  std::vector<std::string> run() {
    const std::size_t all = task_->data().examples.size();
    const std::size_t kept = task_->metric().empty() ? kCompared : kRanked;
    const Session reference(model_.graph, session_options());
    reference_ = measure(reference, std::min(all, kept), true);
    std::vector<std::string> back;
    double loss = loss_of(variant_);
    if (loss <= recipe_.goal->max_drop) return {note(back, loss)};
    const std::vector<std::string> ranking = rank();
    for (const std::string& worst : ranking) {
      variant_.rules.push_back({.role = {}, .match = worst, .keep = true});
      back.push_back(worst);
      loss = loss_of(variant_);
      if (loss <= recipe_.goal->max_drop) return {note(back, loss)};
    }
    fail("{}: loses {:.4g} with every linear in float, more than --max-drop {:g}", name(variant_.dtype), loss,
         recipe_.goal->max_drop);
  }

 private:
  struct Measured {
    double score = 0;
    std::vector<Rows> rows;  // of the first examples
  };

  SessionOptions session_options() const {
    SessionOptions options;
    options.threads = recipe_.threads;
    return options;
  }

  Session open(const Variant& variant) const {
    const MaxAbs nothing = [](const TensorSource&) { return std::optional<float>(); };
    return Session(quantize(model_.graph, variant, nothing, calibrated_).graph, session_options());
  }

  // Runs the first `kept` examples, or all of them where there is something to score.
  Measured measure(const Session& session, std::size_t kept, bool score) const {
    Measured measured;
    const bool scored = score && !task_->metric().empty();
    const std::unique_ptr<Answers> answers = task_->answers();
    const std::size_t count = scored ? task_->data().examples.size() : kept;
    for (std::size_t i = 0; i < count; ++i) {
      check_cancelled();
      const std::vector<Encoding> encodings = task_->encode(i);
      std::vector<Tensors> outputs;
      for (const Encoding& encoding : encodings) {
        outputs.push_back(session.run(token_inputs(session.inputs(), std::span(&encoding, 1))));
      }
      Rows rows = task_->rows(encodings, outputs);
      if (scored) answers->add(i, encodings, outputs, rows);
      if (i < kept) measured.rows.push_back(std::move(rows));
    }
    if (!scored) return measured;
    const Scored all = answers->scored();
    std::vector<std::int64_t> samples(static_cast<std::size_t>(all.samples));
    std::iota(samples.begin(), samples.end(), std::int64_t{0});
    measured.score = all.score(samples);
    return measured;
  }

  // Mean divergence from the reference, or 1 - cosine where outputs are no distributions.
  double divergence(const Measured& measured) const {
    double sum = 0;
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < measured.rows.size(); ++i) {
      for (std::size_t row = 0; row < measured.rows[i].size(); ++row) {
        const std::vector<float>& wanted = reference_.rows.at(i).at(row);
        const std::vector<float>& given = measured.rows[i][row];
        sum += task_->distribution() ? kl_divergence(wanted, given) : 1 - cosine(wanted, given);
        ++rows;
      }
    }
    return rows > 0 ? sum / static_cast<double>(rows) : 0;
  }

  double loss_of(const Variant& variant) const {
    const Measured measured = measure(open(variant), reference_.rows.size(), true);
    if (task_->metric().empty()) return divergence(measured);
    return task_->lower_is_better() ? measured.score / reference_.score - 1 : reference_.score - measured.score;
  }

  // The static linears, the one that alone diverges most first.
  std::vector<std::string> rank() const {
    std::vector<std::string> linears;
    const std::vector<Decision> decisions = decide(model_.graph, find_uses(model_.graph), variant_);
    for (std::size_t i = 0; i < decisions.size(); ++i) {
      const std::string& name = model_.graph.weights[i].name;
      if (decisions[i].scheme == Scheme::kStaticInt8 && calibrated_.ranges.contains(name)) linears.push_back(name);
    }
    progress_.begin("rank layers", std::ssize(linears), ProgressUnit::kItems);
    std::vector<std::pair<double, std::string>> ranked;
    for (const std::string& alone : linears) {
      Variant variant = variant_;
      for (const std::string& other : linears) {
        if (other != alone) variant.rules.push_back({.role = {}, .match = other, .keep = true});
      }
      const std::size_t examples = std::min(kRanked, reference_.rows.size());
      ranked.emplace_back(-divergence(measure(open(variant), examples, false)), alone);
      progress_.advance(1);
    }
    std::ranges::stable_sort(ranked, {}, &std::pair<double, std::string>::first);
    std::vector<std::string> names;
    for (auto& [order, linear] : ranked) names.push_back(std::move(linear));
    return names;
  }

  std::string note(const std::vector<std::string>& back, double loss) const {
    const std::string what = task_->metric().empty() ? task_->distribution() ? "KL" : "1 - cosine" : task_->metric();
    if (back.empty()) return fmt::format("{}: static INT8 loses {:.4g} of {}; no linear goes back to float", name(variant_.dtype), loss, what);
    std::string list;
    for (const std::string& linear : back) list += (list.empty() ? "" : ", ") + linear;
    return fmt::format("{}: loses {:.4g} of {} with {} linears back in float: {}", name(variant_.dtype), loss, what,
                       back.size(), list);
  }

  const Recipe& recipe_;
  const ModelGraph& model_;
  Variant& variant_;
  Progress& progress_;
  Calibrated calibrated_;
  TokenizerFolder folder_;
  BundleModel bundle_;
  EvaluationTaskPtr task_;
  Measured reference_;
};

}  // namespace

std::vector<std::string> control_accuracy(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                                          const Measurements& measured, Variant& variant, Progress& progress) {
  BANTAM_ASSERT(recipe.goal && variant.static_int8);
  return Control(recipe, checkpoint, model, measured, variant, progress).run();
}

}  // namespace bantam
