#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "pipeline/report/report.h"
#include "pipeline/report/report_rows.h"
#include "pipeline/report/svg.h"

namespace bantam {
namespace {

constexpr std::string_view kStyle = R"css(
:root{--paper:#fbfaf8;--card:#fff;--ink:#1f2328;--soft:#626a73;--grid:#e4e2dd;--line:#d9d6cf;--good:#1a7f4b;--bad:#b3261e;
--s0:#2a5bd7;--s1:#c2491d;--s2:#1a7f4b;--s3:#8b3fb8;--s4:#a87900;--s5:#0b7d8f;--s6:#c02870}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--card:#1d2024;--ink:#e8e6e1;--soft:#9aa2ab;--grid:#30343a;--line:#3a3f46;
--good:#58c48c;--bad:#ff8a80;--s0:#7ea2ff;--s1:#ff9a6b;--s2:#58c48c;--s3:#cf9bff;--s4:#e0b64a;--s5:#5cc8da;--s6:#ff86bd}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1080px;margin:0 auto;padding:40px 24px 64px}h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .25rem}p{margin:.25rem 0 .75rem}.sub{color:var(--soft)}
.lead{font-size:1.15rem;border-left:4px solid var(--s0);padding:.35rem 0 .35rem 1rem;margin:1.25rem 0 1.75rem}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 22px;margin:0 0 20px}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.5rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}th{font-weight:600;color:var(--soft);border-bottom-width:2px}
th:first-child,td:first-child{text-align:left;font-weight:600}tr:last-child td{border-bottom:0}th[title]{cursor:help;text-decoration:underline dotted}
ul{margin:.25rem 0;padding-left:1.2rem}.passed{color:var(--good)}.missed{color:var(--bad)}.undecided{color:var(--s4)}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font:12px system-ui,sans-serif}svg .axis{fill:var(--ink);font-size:13px}svg .name{fill:var(--ink);font-weight:600;paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
svg .tick{font-size:10.5px}.grid{stroke:var(--grid)}.line{fill:none;stroke-width:2}.area{stroke-width:1.6;fill-opacity:.13}.whisker{stroke-width:2;opacity:.55}
circle.s0,.legend .s0{fill:var(--s0);background:var(--s0)}circle.s1,.legend .s1{fill:var(--s1);background:var(--s1)}circle.s2,.legend .s2{fill:var(--s2);background:var(--s2)}
circle.s3,.legend .s3{fill:var(--s3);background:var(--s3)}circle.s4,.legend .s4{fill:var(--s4);background:var(--s4)}circle.s5,.legend .s5{fill:var(--s5);background:var(--s5)}
circle.s6,.legend .s6{fill:var(--s6);background:var(--s6)}.line.s0,.whisker.s0,.area.s0{stroke:var(--s0)}.line.s1,.whisker.s1,.area.s1{stroke:var(--s1)}
.line.s2,.whisker.s2,.area.s2{stroke:var(--s2)}.line.s3,.whisker.s3,.area.s3{stroke:var(--s3)}.line.s4,.whisker.s4,.area.s4{stroke:var(--s4)}
.line.s5,.whisker.s5,.area.s5{stroke:var(--s5)}.line.s6,.whisker.s6,.area.s6{stroke:var(--s6)}.area.s0{fill:var(--s0)}.area.s1{fill:var(--s1)}.area.s2{fill:var(--s2)}
.area.s3{fill:var(--s3)}.area.s4{fill:var(--s4)}.area.s5{fill:var(--s5)}.area.s6{fill:var(--s6)}
.legend{display:flex;flex-wrap:wrap;gap:.35rem 1.1rem;font-size:.9rem;margin-top:.5rem}.legend i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}
footer{color:var(--soft);font-size:.88rem}
)css";

std::string table(const Report& report) {
  const std::vector<ReportColumn> columns = report_columns(report);
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const ReportColumn& column : columns) {
    html += column.help.empty() ? "<th>" : "<th title=\"" + escape_html(column.help) + "\">";
    html += escape_html(column.title) + "</th>";
  }
  html += "</tr></thead><tbody>";
  for (std::size_t v = 0; v < report.variants.size(); ++v) {
    html += "<tr>";
    for (const ReportColumn& column : columns) html += "<td>" + escape_html(column.cells[v]) + "</td>";
    html += "</tr>";
  }
  return html + "</tbody></table></div>";
}

std::string section(std::string_view title, std::string_view text, const std::string& body) {
  if (body.empty()) return {};
  return fmt::format("<section><h2>{}</h2><p class=\"sub\">{}</p>{}</section>", escape_html(title), escape_html(text), body);
}

std::string size_chart(const Report& report) {
  std::vector<ChartPoint> points;
  const bool labelled = std::any_of(report.variants.begin(), report.variants.end(), [](const VariantReport& v) { return v.retention.has_value(); });
  for (const VariantReport& variant : report.variants) {
    const double megabytes = static_cast<double>(variant.bytes) / 1e6;
    if (labelled && variant.retention) {
      points.push_back({megabytes, 100 * variant.retention->value, 100 * variant.retention->low, 100 * variant.retention->high, variant.dtype});
    } else if (!labelled) {
      const double cosine = variant.agreement.cosine_mean;
      points.push_back({megabytes, cosine, cosine, cosine, variant.dtype});
    }
  }
  return section("Size against quality",
                 labelled ? "Share of the reference's score that is left; bars are 95 % intervals of a paired bootstrap."
                          : "Mean cosine of the outputs with the reference's.",
                 scatter_chart(points, {"download, MB", labelled ? "retention, %" : "cosine", "Quality of each variant over its size"}));
}

std::string layer_chart(const Report& report) {
  const VariantReport* longest = nullptr;
  for (const VariantReport& variant : report.variants) {
    if (longest == nullptr || variant.layers.size() > longest->layers.size()) longest = &variant;
  }
  if (longest == nullptr || longest->layers.empty()) return {};
  std::vector<std::string> names;
  for (const LayerError& layer : longest->layers) names.push_back(layer.name);
  std::vector<ChartSeries> series;
  for (const VariantReport& variant : report.variants) {
    if (variant.layers.size() != names.size()) continue;
    ChartSeries one{variant.dtype, {}};
    for (const LayerError& layer : variant.layers) one.values.push_back(std::min(layer.sqnr_db, 140.0));
    series.push_back(std::move(one));
  }
  std::string html = line_chart(names, series, {"layer, in order of execution", "SQNR, dB", "Signal to quantization noise of each layer's output"});
  html += "<ul>";
  for (const VariantReport& variant : report.variants) {
    const auto worst = std::min_element(variant.layers.begin(), variant.layers.end(),
                                        [](const LayerError& a, const LayerError& b) { return a.sqnr_db < b.sqnr_db; });
    if (worst == variant.layers.end() || worst->sqnr_db > 100) continue;
    html += fmt::format("<li><b>{}</b>: lowest at {} ({:.1f} dB, cosine {:.5f})</li>", escape_html(variant.dtype), escape_html(worst->name),
                        worst->sqnr_db, worst->cosine);
  }
  return section("Where the error arises", "Signal to noise of every layer's output against the float model, accumulated up to it. Six decibels are one bit.",
                 html + "</ul>");
}

std::string kl_chart(const Report& report) {
  std::vector<ChartSeries> series;
  for (const VariantReport& variant : report.variants) {
    if (!variant.agreement.kl.empty() && variant.agreement.kl_max > 0) series.push_back({variant.dtype, variant.agreement.kl});
  }
  return section("How far answers move", "KL divergence of each answer's distribution from the reference's. Mass to the right are texts that changed.",
                 log_histogram(series, {"KL divergence, nats", "share of texts, %", "Histogram of KL divergence per variant"}));
}

std::string gates(const Report& report) {
  std::string html;
  for (const Gate& gate : report.gates) {
    const char* word = gate.verdict == Gate::Verdict::kPassed ? "passed" : gate.verdict == Gate::Verdict::kMissed ? "missed" : "undecided";
    html += fmt::format("<li><b class=\"{}\">{}</b>: {}</li>", word, word, escape_html(gate.text));
  }
  return html.empty() ? html : section("Gates", "Limits that this run was asked to hold.", "<ul>" + html + "</ul>");
}

}  // namespace

std::string report_html(const Report& report) {
  std::string facts = fmt::format("{} · {} · {} parameters · {} samples of {}", escape_html(report.family), escape_html(report.task),
                                  format_count(report.parameters), format_count(report.samples), escape_html(report.data));
  std::string html = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">";
  html += fmt::format("<title>{}: quality after compression</title><style>{}</style></head><body><main>", escape_html(report.model), kStyle);
  html += fmt::format("<h1>{}</h1><p class=\"sub\">Quality after compression · {}</p>", escape_html(report.model), facts);
  html += fmt::format("<p class=\"lead\">{}</p>", escape_html(report_summary(report)));
  std::string about = "Reference: " + report.reference + ".";
  if (report.reference_score) about += fmt::format(" Its {} is {}.", report.metric, format_estimate(*report.reference_score));
  html += section("Variants", about, table(report));
  html += gates(report) + size_chart(report) + layer_chart(report) + kl_chart(report);
  std::string notes;
  for (const std::string& note : report.notes) notes += "<li>" + escape_html(note) + "</li>";
  if (!notes.empty()) html += section("Notes", "What the reader should know.", "<ul>" + notes + "</ul>");
  html += fmt::format("<footer>Measured on the shipped files by bantam {}; seed {}.</footer></main></body></html>\n",
                      escape_html(report.tool_version), report.seed);
  return html;
}

}  // namespace bantam
