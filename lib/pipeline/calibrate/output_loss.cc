#include "pipeline/calibrate/output_loss.h"

#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "calibrate/metrics/agreement.h"
#include "pipeline/tokenizer_files.h"
#include "runtime/session.h"

namespace bantam {
namespace {

constexpr std::size_t kKept = 64;                // examples whose outputs are compared
constexpr std::int64_t kAllBytes = 256'000'000;  // of outputs, where all are asked for
constexpr std::size_t kCompared = 300;           // the same where there is nothing to score by

// The checkpoint's tokenizer where evaluation looks for it: in a folder.
class TokenizerFolder {
 public:
  explicit TokenizerFolder(const Checkpoint& checkpoint)
      : staged_(std::filesystem::temp_directory_path() / fmt::format("bantam-{}.tokenizer", ::getpid()),
                true) {
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

struct Measured {
  double score = 0;
  std::vector<Rows> rows;  // of the first examples
};

}  // namespace

struct OutputLoss::State {
  State(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& graph, Calibrated known,
        const OutputLossOptions& wanted)
      : model(graph),
        calibrated(std::move(known)),
        folder(checkpoint),
        bundle{folder.path(), "", {}, checkpoint.config, graph.task},
        task(make_evaluation_task(bundle, graph.task, wanted.data)) {
    options.threads = recipe.threads;
    quick = std::min(task->data().examples.size(), task->metric().empty() ? kCompared : kKept);
    if (wanted.tokens > 0) quick = std::min(quick, examples_of(wanted.tokens));
    reference = measure(Session(model.graph, options), quick, wanted.scored, wanted.all ? kAllBytes : 0);
  }

  // As many of the first examples as hold so many tokens.
  std::size_t examples_of(std::int64_t tokens) const {
    std::size_t count = 0;
    for (std::int64_t held = 0; held < tokens && count < task->data().examples.size(); ++count) {
      for (const Encoding& encoding : task->encode(count)) held += std::ssize(encoding.ids);
    }
    return count;
  }

  Session open(const Variant& variant) const {
    const MaxAbs nothing = [](const TensorSource&) { return std::optional<float>(); };
    return Session(quantize(model.graph, variant, nothing, calibrated).graph, options);
  }

  // Runs the first `kept` examples, or all of them where there is something to score. More are run and kept
  // while all that is kept takes less than `bytes`.
  Measured measure(const Session& session, std::size_t kept, bool score, std::int64_t bytes = 0) const {
    Measured measured;
    const bool scored = score && !task->metric().empty();
    const std::unique_ptr<Answers> answers = task->answers();
    const std::size_t count = scored || bytes > 0 ? task->data().examples.size() : kept;
    std::int64_t held = 0;
    bool full = bytes == 0;
    for (std::size_t i = 0; i < count && (scored || i < kept || !full); ++i) {
      check_cancelled();
      const std::vector<Encoding> encodings = task->encode(i);
      std::vector<Tensors> outputs;
      for (const Encoding& encoding : encodings) {
        outputs.push_back(session.run(token_inputs(session.inputs(), std::span(&encoding, 1))));
      }
      Rows rows = task->rows(encodings, outputs);
      if (scored) answers->add(i, encodings, outputs, rows);
      for (const std::vector<float>& row : rows)
        held += std::ssize(row) * static_cast<std::int64_t>(sizeof(float));
      full |= held > bytes;
      if (i < kept || !full) measured.rows.push_back(std::move(rows));
    }
    if (!scored) return measured;
    const Scored all = answers->scored();
    std::vector<std::int64_t> samples(static_cast<std::size_t>(all.samples));
    std::iota(samples.begin(), samples.end(), std::int64_t{0});
    measured.score = all.score(samples);
    return measured;
  }

  double divergence(const Measured& measured) const {
    double sum = 0;
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < measured.rows.size(); ++i) {
      for (std::size_t row = 0; row < measured.rows[i].size(); ++row) {
        const std::vector<float>& wanted = reference.rows.at(i).at(row);
        const std::vector<float>& given = measured.rows[i][row];
        sum += task->distribution() ? kl_divergence(wanted, given) : 1 - cosine(wanted, given);
        ++rows;
      }
    }
    return rows > 0 ? sum / static_cast<double>(rows) : 0;
  }

  const ModelGraph& model;
  const Calibrated calibrated;
  const TokenizerFolder folder;
  const BundleModel bundle;
  const EvaluationTaskPtr task;
  SessionOptions options;
  std::size_t quick = 0;  // examples that are kept at least
  Measured reference;
};

OutputLoss::OutputLoss(const Recipe& recipe, const Checkpoint& checkpoint, const ModelGraph& model,
                       Calibrated calibrated, const OutputLossOptions& options)
    : state_(std::make_unique<State>(recipe, checkpoint, model, std::move(calibrated), options)) {}
OutputLoss::~OutputLoss() = default;

double OutputLoss::divergence(const Variant& variant, std::size_t examples) const {
  const std::size_t count = std::min(examples, state_->reference.rows.size());
  return state_->divergence(state_->measure(state_->open(variant), count, false));
}

bool OutputLoss::is_kl() const {
  return state_->task->distribution();
}

std::size_t OutputLoss::quick() const {
  return state_->quick;
}

double OutputLoss::divergence(const Variant& variant) const {
  return divergence(variant, state_->reference.rows.size());
}

double OutputLoss::of(const Variant& variant) const {
  if (state_->task->metric().empty()) return divergence(variant);
  const double score = state_->measure(state_->open(variant), 0, true).score,
               reference = state_->reference.score;
  return state_->task->lower_is_better() ? score / reference - 1 : reference - score;
}

double OutputLoss::retention(const Variant& variant) const {
  if (state_->task->metric().empty())
    fail(
        "bits for --min-retention are chosen by labelled examples; --max-kl needs no labels, and --fixed-bits only judges");
  const double score = state_->measure(state_->open(variant), 0, true).score,
               reference = state_->reference.score;
  return state_->task->lower_is_better() ? reference / score : score / reference;
}

std::string OutputLoss::what() const {
  if (!state_->task->metric().empty()) return state_->task->metric();
  return state_->task->distribution() ? "KL" : "1 - cosine";
}

}  // namespace bantam
