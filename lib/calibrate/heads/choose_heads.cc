#include "calibrate/heads/choose_heads.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/checked.h"
#include "base/error.h"

namespace bantam {
namespace {

class Choice {
 public:
  Choice(const std::vector<AttentionOutput>& attentions, const HeadChoiceOptions& options)
      : attentions_(attentions), options_(options) {
    std::int64_t fewest = attentions.front().heads;
    for (const AttentionOutput& attention : attentions) {
      total_ += attention.heads;
      fewest = std::min(fewest, attention.heads);
    }
    const std::int64_t base = options.uniform ? fewest : total_;
    const auto wanted = static_cast<std::int64_t>(std::llround(options.fraction * static_cast<double>(base)));
    const std::int64_t most = options.uniform ? fewest - 1 : total_ - std::ssize(attentions);
    const std::string_view what =
        options.uniform ? "heads in each layer (decoders lose whole groups of keys, as many in every layer)"
                        : "heads";
    if (wanted < 1) {
      fail("prune heads: {:g} of {} {} is none; the smallest fraction that removes one is {:.3f}",
           options.fraction, base, what, most < 1 ? 1.0 : 0.5 / static_cast<double>(base));
    }
    if (wanted > most) {
      fail("prune heads: {:g} of {} {} is {}, and one must stay in every layer; at most {} can leave",
           options.fraction, base, what, wanted, most);
    }
    goal_ = options.uniform ? wanted * std::ssize(attentions) : wanted;
    per_layer_ = options.uniform ? wanted : 0;
  }

  std::vector<HeadStep> run(const HeadLosses& losses) {
    for (int round = 0; std::ssize(steps_) < goal_; ++round) {
      const std::int64_t left = goal_ - std::ssize(steps_);
      const std::int64_t rounds = std::max(options_.measurements - round, 1);
      measure(losses);
      take(ceil_div(left, rounds));
    }
    return steps_;
  }

 private:
  bool may_leave(const AttentionOutput& attention) const {
    const auto found = left_.find(attention.layer);
    const std::int64_t gone = found == left_.end() ? 0 : found->second;
    return gone + 1 < attention.heads && (per_layer_ == 0 || gone < per_layer_);
  }

  void measure(const HeadLosses& losses) {
    std::vector<HeadSet> sets;
    candidates_.clear();
    for (const AttentionOutput& attention : attentions_) {
      if (!may_leave(attention)) continue;
      for (std::int64_t head = 0; head < attention.heads; ++head) {
        if (off_.contains({attention.layer, head})) continue;
        candidates_.push_back({attention.layer, head, 0});
        sets.push_back(off_);
        sets.back().insert({attention.layer, head});
      }
    }
    const std::vector<double> measured = losses(sets);
    BANTAM_ASSERT(measured.size() == sets.size());
    for (std::size_t i = 0; i < measured.size(); ++i) candidates_[i].loss = measured[i];
    std::ranges::stable_sort(candidates_, {}, &HeadStep::loss);
  }

  void take(std::int64_t count) {
    for (const HeadStep& candidate : candidates_) {
      if (count == 0) return;
      const auto attention = std::ranges::find(attentions_, candidate.layer, &AttentionOutput::layer);
      if (!may_leave(*attention)) continue;
      off_.insert({candidate.layer, candidate.head});
      ++left_[candidate.layer];
      steps_.push_back(candidate);
      --count;
    }
  }

  const std::vector<AttentionOutput>& attentions_;
  const HeadChoiceOptions& options_;
  std::int64_t total_ = 0;
  std::int64_t goal_ = 0;
  std::int64_t per_layer_ = 0;  // 0: any number
  HeadSet off_;
  std::map<std::int64_t, std::int64_t> left_;
  std::vector<HeadStep> candidates_;
  std::vector<HeadStep> steps_;
};

}  // namespace

std::vector<HeadStep> choose_heads(const std::vector<AttentionOutput>& attentions,
                                   const HeadChoiceOptions& options, const HeadLosses& losses) {
  if (attentions.empty()) fail("prune heads: this model has no attention whose heads could leave");
  BANTAM_ASSERT(options.fraction > 0 && options.fraction < 1);
  return Choice(attentions, options).run(losses);
}

}  // namespace bantam
