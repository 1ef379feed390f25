#include "tuner/least_squares.h"

#include <catch2/catch.hpp>

using namespace octile;

TEST_CASE("An exact system is solved, whatever the scale of its columns", "[least_squares]") {
    const std::vector<std::vector<double>> rows = {{1, 1e6, 0}, {1, 2e6, 1e-3}, {1, 0, 5e-3}, {1, 3e6, 2e-3}};
    const std::vector<double> truth = {3, 4e-6, 7e3};
    std::vector<double> values;
    for (const std::vector<double>& row : rows)
        values.push_back(row[0] * truth[0] + row[1] * truth[1] + row[2] * truth[2]);
    const std::vector<double> x = solve_non_negative(rows, values);
    for (std::size_t i = 0; i < truth.size(); ++i)
        CHECK(x[i] == Approx(truth[i]).epsilon(1e-6));
}

TEST_CASE("What would be negative is zero, and the rest fits without it", "[least_squares]") {
    // y = 2 a - 1 b on a line; without b, the best is 1.4 for these three.
    const std::vector<double> x = solve_non_negative({{1, 1}, {2, 1}, {1, 0}}, {1, 3, 2});
    CHECK(x[1] == 0);
    CHECK(x[0] == Approx((1 + 6 + 2) / 6.0));
}
