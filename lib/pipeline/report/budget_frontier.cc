#include "pipeline/report/budget_frontier.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace bantam {
namespace {

Json point_json(const BudgetFrontier::Point& point) {
  Json json = {{"bytes", point.bytes}, {"expected", finite_or_null(point.expected)}};
  if (point.measured) json["measured"] = finite_or_null(*point.measured);
  return json;
}

BudgetFrontier::Point read_point(const Json& json) {
  BudgetFrontier::Point point{
      json.at("bytes").get<std::int64_t>(), number_or_infinity(json.at("expected")), {}};
  if (json.contains("measured")) point.measured = number_or_infinity(json.at("measured"));
  return point;
}

Json points_json(const std::vector<BudgetFrontier::Point>& points) {
  Json json = Json::array();
  for (const BudgetFrontier::Point& point : points) json.push_back(point_json(point));
  return json;
}

}  // namespace

Json frontiers_json(const std::vector<BudgetFrontier>& frontiers) {
  Json json = Json::array();
  for (const BudgetFrontier& frontier : frontiers) {
    json.push_back({{"dtype", frontier.dtype},
                    {"unit", frontier.unit},
                    {"points", points_json(frontier.points)},
                    {"tried", points_json(frontier.tried)},
                    {"chosen", point_json(frontier.chosen)}});
  }
  return json;
}

BudgetFrontier read_frontier(const Json& json) {
  BudgetFrontier frontier{json.at("dtype").get<std::string>(),
                          json.at("unit").get<std::string>(),
                          {},
                          {},
                          read_point(json.at("chosen"))};
  for (const Json& point : json.at("points")) frontier.points.push_back(read_point(point));
  for (const Json& point : json.at("tried")) frontier.tried.push_back(read_point(point));
  return frontier;
}

std::vector<std::size_t> evenly_spaced(std::size_t count, std::size_t most) {
  const std::size_t taken = std::min(count, most);
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < taken; ++i) indices.push_back(taken == 1 ? 0 : i * (count - 1) / (taken - 1));
  return indices;
}

}  // namespace bantam
