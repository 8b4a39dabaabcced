#include "pipeline/report/budget_frontier.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace bantam {
namespace {

// JSON has no infinity.
Json finite_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(); }
double read_number(const Json& json) { return json.is_null() ? std::numeric_limits<double>::infinity() : json.get<double>(); }

Json point_json(const BudgetFrontier::Point& point) {
  Json json = {{"bytes", point.bytes}, {"expected", finite_or_null(point.expected)}};
  if (point.measured) json["measured"] = finite_or_null(*point.measured);
  return json;
}

BudgetFrontier::Point read_point(const Json& json) {
  BudgetFrontier::Point point{json.at("bytes").get<std::int64_t>(), read_number(json.at("expected")), {}};
  if (json.contains("measured")) point.measured = read_number(json.at("measured"));
  return point;
}

Json points_json(const std::vector<BudgetFrontier::Point>& points) {
  Json json = Json::array();
  for (const BudgetFrontier::Point& point : points) json.push_back(point_json(point));
  return json;
}

}  // namespace

Json frontier_json(const BudgetFrontier& frontier) {
  return {{"dtype", frontier.dtype},
          {"unit", frontier.unit},
          {"points", points_json(frontier.points)},
          {"tried", points_json(frontier.tried)},
          {"chosen", point_json(frontier.chosen)}};
}

BudgetFrontier read_frontier(const Json& json) {
  BudgetFrontier frontier{json.at("dtype").get<std::string>(), json.at("unit").get<std::string>(), {}, {}, read_point(json.at("chosen"))};
  for (const Json& point : json.at("points")) frontier.points.push_back(read_point(point));
  for (const Json& point : json.at("tried")) frontier.tried.push_back(read_point(point));
  return frontier;
}

}  // namespace bantam
