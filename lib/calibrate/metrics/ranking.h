#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bantam {

// Documents of one query, best score first: positions into `scores`. Equal scores keep their order.
std::vector<std::int64_t> ranking(std::span<const double> scores);

// Normalized discounted cumulative gain (Järvelin and Kekäläinen 2002) of the first k documents: the gain is
// the relevance, the discount log2(rank + 1), the ideal order that of all documents of the query (trec_eval's
// ndcg_cut). 0 where no document is relevant. Negative relevance counts as 0.
double ndcg_at(std::span<const double> scores, std::span<const double> relevance, std::int64_t k);

// 1 / rank of the first document with relevance above 0 among the first k; 0 when there is none.
double reciprocal_rank(std::span<const double> scores, std::span<const double> relevance, std::int64_t k);

// Rows that belong to the same query, in order of first appearance. Queries are told apart by `ids`, where
// all of these are empty by `texts`.
std::vector<std::vector<std::int64_t>> group_queries(std::span<const std::string> ids,
                                                     std::span<const std::string> texts);

}  // namespace bantam
