// Robust statistics of timings: what one disturbed sample does not move.
#pragma once

#include <span>
#include <vector>

namespace octile {

// Of at least one value; of an even number, the mean of the middle two.
double median(std::vector<double> values);

// Median of the absolute deviations from the median. At least one value.
double deviation(std::span<const double> values);

// Of positive values, at least one.
double geometric_mean(std::span<const double> values);

}  // namespace octile
