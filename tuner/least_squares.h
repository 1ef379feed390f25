// Non-negative least squares, for a handful of unknowns.
#pragma once

#include <vector>

namespace octile {

// The x >= 0 that minimizes the sum of squares of rows * x - values. Rows are of equal length; columns may differ by
// many orders of magnitude. Precondition: at least one row, and no column that is all zero.
std::vector<double> solve_non_negative(const std::vector<std::vector<double>>& rows, const std::vector<double>& values);

}  // namespace octile
