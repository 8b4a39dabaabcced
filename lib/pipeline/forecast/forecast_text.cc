#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/table.h"
#include "base/units.h"
#include "pipeline/forecast/forecast.h"

namespace bantam {
namespace {

std::string download_table(std::span<const Forecast> forecasts) {
  std::vector<Table::Column> columns = {{"dtype"}, {"download", Align::kRight}};
  for (const Connection& connection : connections())
    columns.push_back({std::string(connection.name), Align::kRight});
  for (const ForecastVerdict& verdict : forecasts.front().verdicts)
    columns.push_back({std::string(verdict.title)});
  Table table(std::move(columns));
  for (const Forecast& forecast : forecasts) {
    std::vector<std::string> row = {forecast.dtype, format_bytes(forecast.download_bytes)};
    for (const double seconds : forecast.seconds) row.push_back(format_seconds(seconds));
    for (const ForecastVerdict& verdict : forecast.verdicts) row.emplace_back(name(verdict.fit));
    table.add_row(std::move(row));
  }
  return table.text();
}

std::string memory_table(std::span<const Forecast> forecasts) {
  std::vector<Table::Column> columns = {{"dtype"}};
  for (const char* title : {"JS peak", "streamed", "wasm heap", "tab", "on the GPU", "largest tensor"}) {
    columns.push_back({title, Align::kRight});
  }
  const bool caches = forecasts.front().cache_bytes_per_1000 > 0;
  if (caches) columns.push_back({"cache of 1000 tokens", Align::kRight});
  Table table(std::move(columns));
  for (const Forecast& forecast : forecasts) {
    std::vector<std::string> row = {forecast.dtype};
    for (const std::int64_t bytes :
         {forecast.js_peak_bytes, forecast.js_streaming_bytes, forecast.wasm_heap_bytes, forecast.tab_bytes,
          forecast.gpu_bytes, forecast.largest_binding_bytes}) {
      row.push_back(format_bytes(bytes));
    }
    if (caches) row.push_back(format_bytes(forecast.cache_bytes_per_1000));
    table.add_row(std::move(row));
  }
  return table.text();
}

std::string rates() {
  std::string text;
  for (const Connection& connection : connections()) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", connection.name, connection.megabits);
  }
  return text;
}

}  // namespace

std::string describe_forecasts(std::span<const Forecast> forecasts) {
  if (forecasts.empty()) return {};
  std::string text = download_table(forecasts) + "\n" + memory_table(forecasts);
  std::string assumptions = fmt::format(
      "Forecast, within about 20 %. Connections: {} Mbit/s, without the 27 MB of the runtime itself. JS peak: transformers.js holds all "
      "files at once; streamed (rough, up to a third low): the loader of web/ and a runtime with JSPI. Wasm heap: {} tokens. Tab: the renderer's peak on wasm with "
      "transformers.js 4.",
      rates(), kForecastTokens);
  for (const ForecastVerdict& verdict : forecasts.front().verdicts) {
    assumptions += fmt::format(" {}: {}.", verdict.title, verdict.assumption);
  }
  text += "\n";
  for (const std::string& line : wrap(assumptions, 110)) text += line + "\n";
  return text;
}

Json forecast_json(const Forecast& forecast) {
  Json json = {{"download_bytes", forecast.download_bytes},
               {"seconds", Json::object()},
               {"largest_initializer",
                forecast.largest_initializer.empty() ? Json() : Json(forecast.largest_initializer)},
               {"largest_binding_bytes", forecast.largest_binding_bytes},
               {"js_peak_bytes", forecast.js_peak_bytes},
               {"js_streaming_bytes", forecast.js_streaming_bytes},
               {"wasm_heap_bytes", forecast.wasm_heap_bytes},
               {"gpu_bytes", forecast.gpu_bytes},
               {"tab_bytes", forecast.tab_bytes},
               {"cache_bytes_per_1000_tokens", forecast.cache_bytes_per_1000},
               {"verdicts", Json::object()}};
  for (std::size_t i = 0; i < forecast.seconds.size(); ++i) {
    json["seconds"][std::string(connections()[i].name)] = forecast.seconds[i];
  }
  for (const ForecastVerdict& verdict : forecast.verdicts)
    json["verdicts"][std::string(verdict.limit)] = name(verdict.fit);
  return json;
}

}  // namespace bantam
