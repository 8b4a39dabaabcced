#include "pipeline/report/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "pipeline/report/svg.h"
#include "pipeline/schemas.h"

namespace bantam {
namespace {

Report sample() {
  Report report;
  report.tool_version = "0.1.0";
  report.model = "org/<b>model</b>";
  report.family = "bert";
  report.task = "text-classification";
  report.metric = "accuracy";
  report.data = "dev.tsv";
  report.reference = "float32 graph of the checkpoint";
  report.samples = 872;
  report.parameters = 1'466'754;
  report.reference_score = Estimate{0.7775, 0.749, 0.804};
  const char* names[] = {"fp32", "fp16", "q8", "q4", "q4f16"};
  for (int v = 0; v < 5; ++v) {
    VariantReport variant;
    variant.dtype = names[v];
    variant.bytes = 5'900'026 / (1 + v);
    variant.bits_per_weight = 32.0 / (1 + v);
    variant.score = Estimate{0.7775 - 0.002 * v, 0.74, 0.80};
    variant.retention = Estimate{1 - 0.003 * v, 0.995 - 0.004 * v, 1.004 - 0.001 * v};
    variant.speed = 1.0 + 0.4 * v;
    variant.agreement.positions = 872;
    variant.agreement.kl_mean = v * 1e-4;
    variant.agreement.kl_max = v * 1e-2;
    variant.agreement.top1 = 1 - 0.002 * v;
    for (int i = 0; i < 400; ++i)
      variant.agreement.kl.push_back(v * std::exp(-10.0 + 3 * std::sin(i * 1.7) + std::cos(i * 0.3)));
    for (int layer = 0; layer < 26; ++layer) {
      variant.layers.push_back(
          {"encoder.layer." + std::to_string(layer / 6) + ".part" + std::to_string(layer % 6),
           130.0 - 25 * v - layer % 5, 0.9999});
    }
    report.variants.push_back(std::move(variant));
  }
  report.variants[2].padded_max_abs = 0.013;
  report.gates.push_back({"--min-retention", "q4", 0.99, 0.991, Gate::Verdict::kUndecided,
                          "q4: retention 0.991 against 0.99 is undecided; 9000 samples would decide"});
  report.frontiers.push_back({"q4",
                              "KL",
                              {{1'000'000, 2e-3, {}}, {1'100'000, 4e-4, {}}, {1'300'000, 3e-5, {}}},
                              {{1'100'000, 4e-4, 5e-4}},
                              {1'090'000, 4.5e-4, 4.8e-4}});
  report.notes = {"Something | that [a](b) reader should know"};
  return report;
}

// Of a decoder; fp16 is broken and has no figures.
Report sample_of_text() {
  Report report = sample();
  TokenAgreement tokens;
  tokens.tokens = 300;
  tokens.windows = 2;
  tokens.perplexity = {5.5, 0.25};
  tokens.perplexity_ratio = {1.0125, 0.002};
  tokens.kl_median = 0.0075;
  tokens.kl_max = std::numeric_limits<double>::infinity();
  tokens.delta_p_rms = {0.0123, 0.0004};
  for (VariantReport& variant : report.variants) variant.tokens = tokens;
  report.variants[1].tokens.reset();
  report.variants[1].first_nonfinite = "/lm_head";
  return report;
}

class ReportFile : public testing::Test {
 protected:
  std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) / "bantam_report.json";
  void TearDown() override { std::filesystem::remove(path_); }
  void write(const std::string& text) {
    std::filesystem::remove(path_);
    write_text_file(path_, text);
  }
};

TEST_F(ReportFile, ReadsBackWhatItWrites) {
  const std::string text = report_json(sample());
  write(text);
  EXPECT_EQ(report_json(read_report(path_.string())), text);
  const std::string decoder = report_json(sample_of_text());
  write(decoder);
  EXPECT_EQ(report_json(read_report(path_.string())), decoder);
}

TEST_F(ReportFile, FollowsItsSchema) {
  const Json json = parse_json(report_json(sample()));
  check_schema("report.schema.json", json);
  check_schema("report.schema.json", parse_json(report_json(sample_of_text())));
  Json wrong = json;
  wrong["variants"][0].erase("kl_mean");
  EXPECT_THROW(check_schema("report.schema.json", wrong), Error);
}

TEST_F(ReportFile, KeepsDivergencesThatAreNotFinite) {
  Report report = sample();
  Agreement& agreement = report.variants[3].agreement;
  agreement.kl_mean = agreement.kl_max = agreement.max_abs = std::numeric_limits<double>::infinity();
  agreement.kl[7] = std::numeric_limits<double>::infinity();
  const std::string text = report_json(report);
  check_schema("report.schema.json", parse_json(text));
  write(text);
  const Agreement read = read_report(path_.string()).variants[3].agreement;
  EXPECT_TRUE(std::isinf(read.kl_mean) && std::isinf(read.kl_max) && std::isinf(read.max_abs) &&
              std::isinf(read.kl[7]));
  EXPECT_EQ(read.kl_p999, agreement.kl_p999);
}

TEST_F(ReportFile, RefusesAnotherSchemaVersionAndNonsense) {
  std::string text = report_json(sample());
  text.replace(text.find("\"schema_version\": 1"), 19, "\"schema_version\": 9");
  write(text);
  EXPECT_THROW(read_report(path_.string()), Error);
  write("[]");
  EXPECT_THROW(read_report(path_.string()), Error);
  write("{\"schema_version\": 1, \"variants\": []}");
  EXPECT_THROW(read_report(path_.string()), Error);
}

TEST(ReportHtml, EscapesNamesAndNeedsNothingFromOutside) {
  const std::string html = report_html(sample());
  EXPECT_EQ(html.find("<b>model"), std::string::npos);
  EXPECT_NE(html.find("org/&lt;b&gt;model"), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("http"), std::string::npos);
  EXPECT_EQ(html.find("nan"), std::string::npos);
  if (const char* directory = std::getenv("BANTAM_KEEP_REPORT")) {  // to look at it
    std::filesystem::remove(std::filesystem::path(directory) / "report.html");
    write_text_file(std::filesystem::path(directory) / "report.html", html);
  }
}

TEST(ReportHtml, DrawsTheFrontierOfABudget) {
  Report report = sample();
  const std::string html = report_html(report);
  EXPECT_NE(html.find("Bits within the budget, q4"), std::string::npos);
  EXPECT_NE(html.find("1.09 MB, KL 0.00048"), std::string::npos);
  EXPECT_NE(html.find("1100000 bytes, measured 0.0005"), std::string::npos);
  EXPECT_NE(report_markdown(report).find("| 1,090,000, chosen | 0.00045 | 0.00048 |"), std::string::npos);
  // Nothing that is lost, or is no number: nothing to draw on a logarithmic axis.
  report.frontiers[0] = {
      "q4", "noise", {{1000, 0, {}}}, {}, {1000, std::numeric_limits<double>::infinity(), {}}};
  EXPECT_EQ(frontier_chart(report.frontiers[0]), "");
  EXPECT_EQ(report_html(report).find("Bits within"), std::string::npos);
  EXPECT_EQ(report_json(report).find("Infinity"), std::string::npos);
}

TEST(ReportHtml, LeavesOutWhatWasNotMeasured) {
  Report report = sample();
  report.metric.clear();
  report.reference_score.reset();
  report.gates.clear();
  for (VariantReport& variant : report.variants) {
    variant.score.reset();
    variant.retention.reset();
    variant.layers.clear();
    variant.agreement.kl.clear();
    variant.padded_max_abs.reset();
  }
  const std::string html = report_html(report);
  EXPECT_EQ(html.find("retention"), std::string::npos);
  EXPECT_EQ(html.find("Gates"), std::string::npos);
  EXPECT_EQ(html.find("KL mean"), std::string::npos);
  EXPECT_NE(html.find("cosine"), std::string::npos);
}

TEST(ReportMarkdown, HasOneRowPerVariantAndEscapesNames) {
  const std::string text = report_markdown(sample());
  for (const char* dtype : {"fp32", "fp16", "q8", "q4", "q4f16"}) {
    EXPECT_NE(text.find("\n| " + std::string(dtype) + " |"), std::string::npos) << dtype;
  }
  EXPECT_NE(text.find("org/\\<b\\>model"), std::string::npos);
  EXPECT_NE(text.find("❔"), std::string::npos);
}

// Of every `<tag ...>` of an SVG, what the attribute says.
std::vector<double> numbers_of(const std::string& svg, const std::string& tag, const std::string& attribute) {
  std::vector<double> numbers;
  for (std::size_t at = svg.find(tag); at != std::string::npos; at = svg.find(tag, at + 1)) {
    const std::size_t value = svg.find(" " + attribute + "=\"", at);
    if (value == std::string::npos || value > svg.find('>', at)) continue;
    numbers.push_back(std::stod(svg.substr(value + attribute.size() + 3)));
  }
  return numbers;
}

TEST(ReportMarkdown, ShowsHowTokensArePredicted) {
  const std::string text = report_markdown(sample_of_text());
  EXPECT_NE(text.find("| PPL ratio | KL mean | KL median | KL 99.9 % | KL max | dp RMS | same top |"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("| 1.0125 ± 0.0020 | 0 ± 0 | 0.0075 | 0 | inf | 1.23 ± 0.04 % | 0.00 ± 0.00 % |"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("| NaN | NaN | NaN | NaN | NaN | NaN | NaN |"), std::string::npos) << text;
  EXPECT_EQ(text.find("cosine"), std::string::npos);
}

TEST(ReportHtml, ShowsABrokenVariantAsBroken) {
  Report report = sample();
  report.frontiers.clear();  // dots of another chart
  VariantReport& broken = report.variants[1];
  broken.first_nonfinite = "/encoder/<Gemm>";
  broken.agreement.kl_mean = broken.agreement.kl_max = broken.agreement.max_abs =
      std::numeric_limits<double>::infinity();
  for (std::size_t layer = 10; layer < broken.layers.size(); ++layer)
    broken.layers[layer] = {broken.layers[layer].name, -200, 0};
  const std::string html = report_html(report);
  EXPECT_NE(html.find("fp16 is broken: /encoder/&lt;Gemm&gt; gives NaN or infinity."), std::string::npos);
  EXPECT_NE(html.find("<tr class=\"broken\"><td>fp16</td>"), std::string::npos);
  EXPECT_EQ(html.find("inf<"), std::string::npos);
  EXPECT_EQ(html.find("-200"), std::string::npos);
  // Its line ends, its dot is not drawn, and the others keep their colours.
  EXPECT_EQ(numbers_of(html, "<circle", "cx").size(), 4U);
  EXPECT_EQ(html.find("<circle class=\"s1\""), std::string::npos);
  EXPECT_NE(html.find("<circle class=\"s2\""), std::string::npos);
  EXPECT_NE(report_markdown(report).find("| fp16 | 2.81 MiB | 16.00 | NaN |"), std::string::npos)
      << report_markdown(report);
}

TEST(Svg, LabelsOfDotsAtOnePlaceDoNotOverlap) {
  std::vector<ChartPoint> points;
  for (std::size_t i = 0; i < 7; ++i)
    points.push_back({1.5 + 1e-4 * static_cast<double>(i % 3), 99.5, 98, 101, "uint8", i});
  const std::string svg = scatter_chart(points, {"x", "y", "d", 100.0});
  const std::string names = svg.substr(svg.find("<text", svg.rfind("<circle")));
  const std::vector<double> x = numbers_of(names, "<text", "x"), y = numbers_of(names, "<text", "y");
  ASSERT_GE(x.size(), 7U);
  for (std::size_t a = 0; a < 7; ++a) {
    for (std::size_t b = 0; b < a; ++b)
      EXPECT_TRUE(std::abs(x[a] - x[b]) > 20 || std::abs(y[a] - y[b]) > 11) << a << " and " << b;
  }
  EXPECT_EQ(numbers_of(svg, "<circle", "r").front(), 7);
  EXPECT_LT(numbers_of(svg, "<circle", "r").back(), 7);
}

TEST(Svg, AnAxisEndsWhereNothingCanLie) {
  const std::string svg = scatter_chart({{1, 1, 1, 1, "only"}}, {"x", "cosine", "d", 1.0, 0.999, 1.0});
  EXPECT_EQ(svg.find(">1.0"), std::string::npos);
  EXPECT_NE(svg.find(">0.9995<"), std::string::npos);
}

TEST(Svg, LayersAreNamedByTheirBlocks) {
  std::vector<std::string> layers = {"/embeddings/LayerNorm/Op"};
  for (int i = 0; i < 24; ++i)
    layers.push_back("/encoder/layer." + std::to_string(i / 6) + "/attention/MatMul_" +
                     std::to_string(i % 6));
  const std::string svg =
      line_chart(layers, {{"q8", std::vector<double>(layers.size(), 40), 2}}, {"x", "y", "d"});
  for (const char* block : {">layer.0<", ">layer.1<", ">layer.2<", ">layer.3<"})
    EXPECT_NE(svg.find(block), std::string::npos) << block;
  EXPECT_NE(svg.find("<title>/encoder/layer.2/attention/MatMul_4\nq8: 40.0 dB</title>"), std::string::npos);
}

TEST(Svg, HistogramsSayWhatLiesLeftOfTheAxis) {
  const std::string svg =
      log_histogram({{"fp32", {1e-15, 0, 2e-15, 1e-14}}, {"q8", {1e-4, 1e-3, 1e-3, 0}, 2}}, {"x", "", "d"});
  EXPECT_NE(svg.find(">100 % below 1e-11<"), std::string::npos) << svg;
  EXPECT_NE(svg.find(">25 % below 1e-11<"), std::string::npos);
  EXPECT_NE(svg.find("highest bar: 50 %"), std::string::npos);
}

TEST(Svg, ChartsOfNothingAreEmptyAndOddValuesStayOut) {
  EXPECT_EQ(scatter_chart({}, {}), "");
  EXPECT_EQ(log_histogram({{"a", {0, 0}}}, {}), "");
  EXPECT_EQ(line_chart({"x"}, {{"a", {std::nan("")}}}, {}), "");
  const std::string svg = scatter_chart({{1, 5, 5, 5, "only"}}, {"x", "y", "d"});
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

}  // namespace
}  // namespace bantam
