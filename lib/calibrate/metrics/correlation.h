#pragma once

#include <span>
#include <vector>

namespace bantam {

// Pearson's correlation of two equally long samples; NaN for fewer than two or where one is constant.
double pearson(std::span<const double> a, std::span<const double> b);

// Spearman's: Pearson's of the ranks, ties with their average rank (scipy.stats.spearmanr).
double spearman(std::span<const double> a, std::span<const double> b);

// Ranks from 1; ties have their average rank (scipy.stats.rankdata).
std::vector<double> average_ranks(std::span<const double> values);

}  // namespace bantam
