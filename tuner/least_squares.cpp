#include "tuner/least_squares.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace octile {

std::vector<double> solve_non_negative(const std::vector<std::vector<double>>& rows,
                                       const std::vector<double>& values) {
    OCTILE_CHECK_EQ(rows.size(), values.size());
    const std::size_t unknowns = rows.at(0).size();
    // Columns of unit length, and the normal equations of those.
    std::vector<double> length(unknowns);
    for (const std::vector<double>& row : rows) {
        for (std::size_t i = 0; i < unknowns; ++i)
            length[i] += row[i] * row[i];
    }
    for (double& value : length)
        value = std::sqrt(value);
    std::vector<double> gram(unknowns * unknowns), right(unknowns);
    for (std::size_t r = 0; r < rows.size(); ++r) {
        for (std::size_t i = 0; i < unknowns; ++i) {
            right[i] += rows[r][i] / length[i] * values[r];
            for (std::size_t j = 0; j < unknowns; ++j)
                gram[i * unknowns + j] += rows[r][i] / length[i] * rows[r][j] / length[j];
        }
    }
    // One unknown at a time, each to its best value that is not negative: converges for this convex problem.
    constexpr int kSweeps = 20000;
    std::vector<double> x(unknowns);
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
        for (std::size_t i = 0; i < unknowns; ++i) {
            double rest = right[i];
            for (std::size_t j = 0; j < unknowns; ++j) {
                if (j != i) rest -= gram[i * unknowns + j] * x[j];
            }
            x[i] = std::max(0.0, rest / gram[i * unknowns + i]);
        }
    }
    for (std::size_t i = 0; i < unknowns; ++i)
        x[i] /= length[i];
    return x;
}

}  // namespace octile
