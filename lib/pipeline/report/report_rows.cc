#include "pipeline/report/report_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/units.h"

namespace bantam {
namespace {

std::string small(double value) {
  if (value == 0) return "0";
  return value < 1e-3 ? fmt::format("{:.1e}", value) : fmt::format("{:.4f}", value);
}

std::string with_error(const std::string& value, const std::string& error) {
  return value + " ± " + error;
}
std::string with_error(const Measured& figure) {
  return with_error(small(figure.value), small(figure.error));
}
std::string percent(const Measured& figure) {
  return with_error(fmt::format("{:.2f}", 100 * figure.value), fmt::format("{:.2f} %", 100 * figure.error));
}

using Cell = std::function<std::string(const VariantReport&)>;
using AddFigure = std::function<void(std::string, std::string, const Cell&)>;

// What llama.cpp's perplexity tool says of a quantized model, with standard errors.
void add_token_figures(const AddFigure& add) {
  const auto of = [](const auto& figure) -> Cell {
    return [figure](const VariantReport& v) {
      return v.tokens ? figure(*v.tokens) : std::string(is_broken(v) ? "NaN" : "");
    };
  };
  add("PPL ratio", "perplexity over the reference's, with its standard error",
      of([](const TokenAgreement& t) {
        return with_error(fmt::format("{:.4f}", t.perplexity_ratio.value), small(t.perplexity_ratio.error));
      }));
  add("KL mean", "KL divergence from the reference's next-token distribution, nats, with its standard error",
      of([](const TokenAgreement& t) { return with_error(t.kl_mean); }));
  add("KL median", "its median", of([](const TokenAgreement& t) { return small(t.kl_median); }));
  add("KL 99.9 %", "its 99.9th percentile", of([](const TokenAgreement& t) { return small(t.kl_p999); }));
  add("KL max", "its largest value", of([](const TokenAgreement& t) { return small(t.kl_max); }));
  add("dp RMS",
      "root mean square of the change of the probability of the text's token, with its standard error",
      of([](const TokenAgreement& t) { return percent(t.delta_p_rms); }));
  add("same top", "share of tokens for which both find the same one likeliest, with its standard error",
      of([](const TokenAgreement& t) { return percent(t.same_top); }));
}

}  // namespace

bool is_broken(const VariantReport& variant) {
  return !variant.first_nonfinite.empty();
}

std::string format_estimate(const Estimate& estimate) {
  return fmt::format("{:.4f} [{:.3f}, {:.3f}]", estimate.value, estimate.low, estimate.high);
}

std::vector<ReportColumn> report_columns(const Report& report) {
  std::vector<ReportColumn> columns;
  const auto add = [&](std::string title, bool number, std::string help,
                       const std::function<std::string(const VariantReport&)>& cell) {
    ReportColumn column{std::move(title), number, std::move(help), {}};
    for (const VariantReport& variant : report.variants) column.cells.push_back(cell(variant));
    const auto empty = [](const std::string& text) { return text.empty(); };
    if (!std::all_of(column.cells.begin(), column.cells.end(), empty)) columns.push_back(std::move(column));
  };
  // A score or distance of a variant that gave NaN or infinity is no figure.
  const auto add_figure = [&](std::string title, std::string help,
                              const std::function<std::string(const VariantReport&)>& cell) {
    add(std::move(title), true, std::move(help), [&](const VariantReport& v) {
      const std::string figure = cell(v);
      return is_broken(v) && !figure.empty() ? std::string("NaN") : figure;
    });
  };
  const auto any = [&](const auto& test) {
    return std::any_of(report.variants.begin(), report.variants.end(), test);
  };
  const bool tokens = any([](const VariantReport& v) { return v.tokens.has_value(); });
  const bool has_kl = !tokens && any([](const VariantReport& v) { return !v.agreement.kl.empty(); });

  add("dtype", false, "", [](const VariantReport& v) { return v.dtype; });
  add("size", true, "graph and weights", [](const VariantReport& v) { return format_bytes(v.bytes); });
  add("bits/weight", true, "all bytes over all parameters",
      [](const VariantReport& v) { return fmt::format("{:.2f}", v.bits_per_weight); });
  add_figure(report.metric.empty() ? "score" : report.metric, "with its 95 % bootstrap interval",
             [](const VariantReport& v) { return v.score ? format_estimate(*v.score) : std::string(); });
  add_figure(
      "retention", "score over the reference's score; paired bootstrap interval",
      [](const VariantReport& v) { return v.retention ? format_estimate(*v.retention) : std::string(); });
  if (tokens) add_token_figures(add_figure);
  if (has_kl) {
    add_figure("KL mean", "KL divergence from the reference's distribution, nats",
               [](const VariantReport& v) { return small(v.agreement.kl_mean); });
    add_figure("KL 99.9 %", "its 99.9th percentile",
               [](const VariantReport& v) { return small(v.agreement.kl_p999); });
    add_figure("top-1", "share of equal first answers",
               [](const VariantReport& v) { return fmt::format("{:.2f} %", 100 * v.agreement.top1); });
  }
  if (!tokens) {
    add_figure("cosine mean", "of the outputs with the reference's",
               [](const VariantReport& v) { return fmt::format("{:.5f}", v.agreement.cosine_mean); });
    add_figure("cosine min", "the worst",
               [](const VariantReport& v) { return fmt::format("{:.5f}", v.agreement.cosine_min); });
  }
  add_figure("max diff", "largest difference of any output",
             [](const VariantReport& v) { return small(v.agreement.max_abs); });
  add_figure(
      "padding", "largest change of an output when the text is padded in a batch: dynamic INT8 only",
      [](const VariantReport& v) { return v.padded_max_abs ? small(*v.padded_max_abs) : std::string(); });
  add("speed", true, "against the float reference, native runtime on this machine",
      [](const VariantReport& v) { return v.speed > 0 ? fmt::format("{:.2f}x", v.speed) : std::string(); });
  return columns;
}

std::string report_summary(const Report& report) {
  std::string text;
  const VariantReport* best = nullptr;
  for (const VariantReport& variant : report.variants) {
    if (is_broken(variant)) {
      text += fmt::format("{} is broken: {} gives NaN or infinity. ", variant.dtype, variant.first_nonfinite);
      continue;
    }
    const bool good =
        variant.retention ? variant.retention->value >= 0.99 : variant.agreement.cosine_mean >= 0.99;
    if (good && (best == nullptr || variant.bytes < best->bytes)) best = &variant;
  }
  if (best == nullptr) return text + "No variant keeps 99 % of the reference's quality on this data.";
  if (!best->retention) {
    return text + fmt::format(
                      "The smallest variant whose outputs agree to a mean cosine of 0.99 is {} ({}, {:.5f}).",
                      best->dtype, format_bytes(best->bytes), best->agreement.cosine_mean);
  }
  text += fmt::format("The smallest variant that keeps 99 % of the score is {} ({}, retention {:.2f} %).",
                      best->dtype, format_bytes(best->bytes), 100 * best->retention->value);
  if (best->retention->low < 0.99) {
    text +=
        fmt::format(" Its interval begins at {:.2f} %: more samples would tell.", 100 * best->retention->low);
  }
  return text;
}

}  // namespace bantam
