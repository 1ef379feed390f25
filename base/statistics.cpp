#include "base/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace octile {

double median(std::vector<double> values) {
    OCTILE_CHECK_LT(std::size_t{0}, values.size());
    const std::size_t middle = values.size() / 2;
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle), values.end());
    const double upper = values[middle];
    if (values.size() % 2) return upper;
    return (upper + *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle))) / 2;
}

double deviation(std::span<const double> values) {
    const double center = median({values.begin(), values.end()});
    std::vector<double> distances;
    for (const double value : values)
        distances.push_back(std::abs(value - center));
    return median(std::move(distances));
}

double geometric_mean(std::span<const double> values) {
    OCTILE_CHECK_LT(std::size_t{0}, values.size());
    double sum = 0;
    for (const double value : values)
        sum += std::log(value);
    return std::exp(sum / static_cast<double>(values.size()));
}

}  // namespace octile
