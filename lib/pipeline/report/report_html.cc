#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "calibrate/metrics/agreement.h"
#include "pipeline/report/report.h"
#include "pipeline/report/report_rows.h"
#include "pipeline/report/svg.h"

namespace bantam {
namespace {

constexpr double kHighestSqnr = 120;  // of the chart: more is float32's own rounding

constexpr std::string_view kStyle = R"css(
:root{--paper:#fbfaf8;--card:#fff;--ink:#1f2328;--soft:#626a73;--grid:#e4e2dd;--line:#d9d6cf;--good:#1a7f4b;--bad:#b3261e;
--s0:#2a5bd7;--s1:#c2491d;--s2:#1a7f4b;--s3:#8b3fb8;--s4:#a87900;--s5:#0b7d8f;--s6:#c02870}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--card:#1d2024;--ink:#e8e6e1;--soft:#9aa2ab;--grid:#30343a;--line:#3a3f46;
--good:#58c48c;--bad:#ff8a80;--s0:#7ea2ff;--s1:#ff9a6b;--s2:#58c48c;--s3:#cf9bff;--s4:#e0b64a;--s5:#5cc8da;--s6:#ff86bd}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 24px 64px}h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .25rem}p{margin:.25rem 0 .75rem}.sub{color:var(--soft)}
.lead{font-size:1.15rem;border-left:4px solid var(--s0);padding:.35rem 0 .35rem 1rem;margin:1.25rem 0 1.75rem}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 22px;margin:0 0 20px;overflow-x:auto}p,li{overflow-wrap:anywhere}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.88rem}
th,td{padding:.45rem .4rem;text-align:right;white-space:nowrap;vertical-align:top;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--soft);border-bottom-width:2px;white-space:normal;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;font-weight:600}tr:last-child td{border-bottom:0}th[title]{cursor:help;text-decoration:underline dotted}
td small{display:block;color:var(--soft);font-size:.82em}tr.broken td{color:var(--bad)}
ul{margin:.5rem 0 .25rem;padding-left:1.2rem}.passed{color:var(--good)}.missed{color:var(--bad)}.undecided{color:var(--s4)}summary{cursor:pointer}
.s0{--c:var(--s0)}.s1{--c:var(--s1)}.s2{--c:var(--s2)}.s3{--c:var(--s3)}.s4{--c:var(--s4)}.s5{--c:var(--s5)}.s6{--c:var(--s6)}
svg{width:100%;min-width:520px;height:auto;display:block}svg text{fill:var(--soft);font:12px system-ui,sans-serif}svg .axis{fill:var(--ink);font-size:13px}
svg .name{fill:var(--c);font-weight:600;paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round}svg .tick{font-size:11px}
circle{fill:var(--c);stroke:var(--card);stroke-width:1.2}circle.ring{fill:none;stroke:var(--c);stroke-width:2}.line,.area,.whisker,.leader{stroke:var(--c)}.grid{stroke:var(--grid)}
.reference{stroke:var(--soft);stroke-dasharray:5 4}.line{fill:none;stroke-width:2;stroke-linejoin:round}.d1{stroke-dasharray:7 4}.d2{stroke-dasharray:2 3}
.area{fill:var(--c);stroke-width:1.6;fill-opacity:.18}.whisker{stroke-width:2;opacity:.55}.leader{opacity:.7}.tip{fill:transparent}.tip:hover{fill:var(--ink);fill-opacity:.07}
.legend{display:flex;flex-wrap:wrap;gap:.35rem 1.1rem;font-size:.9rem;margin-top:.5rem}.legend svg{display:inline-block;width:26px;min-width:0;margin-right:.45em;vertical-align:middle}
footer{color:var(--soft);font-size:.88rem}
)css";

// Of a cell: the interval goes under its figure, which keeps the table on the page.
std::string cell(const std::string& text) {
  const std::size_t interval = text.find(" [");
  if (interval == std::string::npos) return escape_html(text);
  return escape_html(text.substr(0, interval)) + "<small>" + escape_html(text.substr(interval + 1)) +
         "</small>";
}

// Lets "bits/weight" go over two lines, and keeps "99.9 %" on one.
std::string with_breaks(std::string title) {
  if (const std::size_t percent = title.find(" %"); percent != std::string::npos)
    title.replace(percent, 1, "&nbsp;");
  if (const std::size_t slash = title.find('/'); slash != std::string::npos) title.insert(slash + 1, "<wbr>");
  return title;
}

std::string table(const Report& report) {
  const std::vector<ReportColumn> columns = report_columns(report);
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const ReportColumn& column : columns) {
    html += column.help.empty() ? "<th>" : "<th title=\"" + escape_html(column.help) + "\">";
    html += with_breaks(escape_html(column.title)) + "</th>";
  }
  html += "</tr></thead><tbody>";
  for (std::size_t v = 0; v < report.variants.size(); ++v) {
    html += is_broken(report.variants[v]) ? "<tr class=\"broken\">" : "<tr>";
    for (const ReportColumn& column : columns) html += "<td>" + cell(column.cells[v]) + "</td>";
    html += "</tr>";
  }
  return html + "</tbody></table></div>";
}

std::string section(std::string_view title, std::string_view text, const std::string& body) {
  if (body.empty()) return {};
  return fmt::format("<section><h2>{}</h2><p class=\"sub\">{}</p>{}</section>", escape_html(title),
                     escape_html(text), body);
}

std::string size_chart(const Report& report) {
  std::vector<ChartPoint> points;
  const bool labelled =
      std::ranges::any_of(report.variants, [](const VariantReport& v) { return v.retention.has_value(); });
  for (std::size_t v = 0; v < report.variants.size(); ++v) {
    const VariantReport& variant = report.variants[v];
    if (is_broken(variant)) continue;
    const double megabytes = static_cast<double>(variant.bytes) / 1e6;
    if (labelled && variant.retention) {
      const Estimate& retention = *variant.retention;
      points.push_back(
          {megabytes, 100 * retention.value, 100 * retention.low, 100 * retention.high, variant.dtype, v});
    } else if (!labelled) {
      const double cosine = variant.agreement.cosine_mean;
      points.push_back({megabytes, cosine, cosine, cosine, variant.dtype, v});
    }
  }
  ChartAxes axes{"download, MB", labelled ? "retention, %" : "cosine",
                 "Quality of each variant over its size"};
  axes.y_reference = labelled ? 100 : 1;
  axes.y_start = labelled ? 99 : 0.999;
  if (!labelled) axes.y_limit = 1;
  return section(
      "Size against quality",
      labelled
          ? "Share of the reference's score that is left; bars are 95 % intervals of a paired bootstrap. One that "
            "reaches 100 % cannot tell the variant from the reference."
          : "Mean cosine of the outputs with the reference's.",
      scatter_chart(points, axes));
}

// What a reader should know of a variant's layers; nothing where there is nothing to say.
std::string worst_layer(const VariantReport& variant) {
  std::string text;
  if (is_broken(variant)) {
    text = fmt::format("NaN or infinity from {} on", escape_html(variant.first_nonfinite));
  } else if (const auto worst = std::ranges::min_element(variant.layers, {}, &LayerError::sqnr_db);
             worst != variant.layers.end()) {
    text = worst->sqnr_db >= kExactSqnr
               ? "exact"
               : fmt::format("lowest at {} ({:.1f} dB, cosine {:.5f})", escape_html(worst->name),
                             worst->sqnr_db, worst->cosine);
  }
  return text.empty() ? text : fmt::format("<li><b>{}</b>: {}</li>", escape_html(variant.dtype), text);
}

std::string frontier_charts(const Report& report) {
  std::string html;
  for (const BudgetFrontier& frontier : report.frontiers) {
    const bool measured = frontier.chosen.measured.has_value();
    const std::string unit = frontier.unit == "noise" ? "noise of the weights: no examples were given"
                                                      : "mean " + frontier.unit + " of the outputs";
    html += section(
        "Bits within the budget, " + frontier.dtype,
        fmt::format(
            "What four or eight bits for each weight were expected to lose ({}), added up from each weight's sensitivity. "
            "The large dot is the choice{}{}",
            unit, measured ? ", as measured on the examples" : ", also an estimate",
            frontier.tried.empty() ? "." : "; rings are choices that were measured on the way to it."),
        frontier_chart(frontier));
  }
  return html;
}

std::string layer_chart(const Report& report) {
  const auto longest =
      std::ranges::max_element(report.variants, {}, [](const VariantReport& v) { return v.layers.size(); });
  if (longest == report.variants.end() || longest->layers.empty()) return {};
  std::vector<std::string> names;
  for (const LayerError& layer : longest->layers) names.push_back(layer.name);
  std::vector<ChartSeries> series;
  std::string worst;
  for (std::size_t v = 0; v < report.variants.size(); ++v) {
    const VariantReport& variant = report.variants[v];
    worst += worst_layer(variant);
    const bool exact = std::ranges::all_of(
        variant.layers, [](const LayerError& layer) { return layer.sqnr_db >= kExactSqnr; });
    if (exact || variant.layers.size() != names.size()) continue;
    ChartSeries one{variant.dtype, {}, v};
    for (const LayerError& layer : variant.layers) {
      one.values.push_back(layer.sqnr_db <= -kExactSqnr ? std::nan("")
                                                        : std::min(layer.sqnr_db, kHighestSqnr));
    }
    series.push_back(std::move(one));
  }
  const std::string chart = line_chart(
      names, series,
      {"layer, in order of execution", "SQNR, dB", "Signal to quantization noise of each layer's output"});
  return section(
      "Where the error arises",
      "Signal to noise of every layer's output against the float model, accumulated up to it. Six decibels are one bit.",
      chart + "<ul>" + worst + "</ul>");
}

std::string kl_chart(const Report& report) {
  std::vector<ChartSeries> series;
  for (std::size_t v = 0; v < report.variants.size(); ++v) {
    const Agreement& agreement = report.variants[v].agreement;
    if (!agreement.kl.empty() && agreement.kl_max > 0 && !is_broken(report.variants[v]))
      series.push_back({report.variants[v].dtype, agreement.kl, v});
  }
  return section(
      "How far answers move",
      "KL divergence of each answer's distribution from the reference's: how many texts lie where. Further right is further off.",
      log_histogram(series, {"KL divergence, nats", "", "Histogram of KL divergence per variant"}));
}

// Missed and undecided ones in full, the others on request.
std::string gates(const Report& report) {
  std::string open, passed;
  std::int64_t count = 0;
  for (const Gate& gate : report.gates) {
    const char* word = gate.verdict == Gate::Verdict::kPassed   ? "passed"
                       : gate.verdict == Gate::Verdict::kMissed ? "missed"
                                                                : "undecided";
    const bool is_passed = gate.verdict == Gate::Verdict::kPassed;
    (is_passed ? passed : open) +=
        fmt::format("<li><b class=\"{}\">{}</b>: {}</li>", word, word, escape_html(gate.text));
    count += is_passed ? 1 : 0;
  }
  std::string html;
  if (!open.empty()) html += "<ul>" + open + "</ul>";
  if (count > 0)
    html += fmt::format("<details><summary><b class=\"passed\">passed</b>: {}</summary><ul>{}</ul></details>",
                        count, passed);
  return section("Gates", "Limits that this run was asked to hold.", html);
}

}  // namespace

std::string report_html(const Report& report) {
  std::string facts = fmt::format("{} · {} · {} parameters · {} samples of {}", escape_html(report.family),
                                  escape_html(report.task), format_count(report.parameters),
                                  format_count(report.samples), escape_html(report.data));
  std::string html =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">";
  html += fmt::format("<title>{}: quality after compression</title><style>{}</style></head><body><main>",
                      escape_html(report.model), kStyle);
  html += fmt::format("<h1>{}</h1><p class=\"sub\">Quality after compression · {}</p>",
                      escape_html(report.model), facts);
  html += fmt::format("<p class=\"lead\">{}</p>", escape_html(report_summary(report)));
  std::string about = "Reference: " + report.reference + ".";
  if (report.reference_score)
    about += fmt::format(" Its {} is {}.", report.metric, format_estimate(*report.reference_score));
  html += section("Variants", about, table(report));
  html +=
      gates(report) + size_chart(report) + frontier_charts(report) + layer_chart(report) + kl_chart(report);
  std::string notes;
  for (const std::string& note : report.notes) notes += "<li>" + escape_html(note) + "</li>";
  if (!notes.empty()) html += section("Notes", "What the reader should know.", "<ul>" + notes + "</ul>");
  html += fmt::format(
      "<footer>Measured on the shipped files by bantam {}; seed {}.</footer></main></body></html>\n",
      escape_html(report.tool_version), report.seed);
  return html;
}

}  // namespace bantam
