#include "tuner/ratios.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/statistics.h"

namespace octile::tuner {
namespace {

// Of the median of a normal sample, from its median absolute deviation.
double error_of_median(const std::vector<double>& values) {
    constexpr double kMadToSigma = 1.4826, kMedianToMean = 1.2533, kLeast = 1e-4;
    const double count = static_cast<double>(values.size());
    return std::max(kLeast, kMadToSigma * kMedianToMean * deviation(values) / std::sqrt(count));
}

}  // namespace

bool surely_faster(const Estimate& estimate, double tie) {
    Estimate beyond = estimate;
    beyond.log_ratio -= std::log(1 - tie);
    return beyond.log_ratio < 0 && beyond.confidence() >= kSurely;
}

double Estimate::speedup() const {
    return std::exp(-log_ratio);
}

double Estimate::confidence() const {
    return error > 0 ? 0.5 * std::erfc(log_ratio / (error * std::sqrt(2.0))) : 0.5;
}

void Ratios::add(std::size_t layer, std::size_t candidate, std::span<const double> base, std::span<const double> ns) {
    if (ns.size() != base.size() || base.empty()) {
        failed_.insert(candidate);
        return;
    }
    auto& ratios = ratios_[candidate];
    ratios.resize(layers_);
    for (std::size_t round = 0; round < base.size(); ++round)
        ratios[layer].push_back(std::log(ns[round] / base[round]));
}

std::optional<Estimate> Ratios::estimate(std::size_t candidate) const {
    const auto found = ratios_.find(candidate);
    if (found == ratios_.end() || failed(candidate)) return std::nullopt;
    Estimate estimate{.log_ratio = 0, .error = 0, .rounds = SIZE_MAX};
    double variance = 0;
    for (const std::vector<double>& ratios : found->second) {
        if (ratios.empty()) return std::nullopt;
        estimate.log_ratio += median(ratios);
        const double error = candidate == 0 ? 0 : error_of_median(ratios);
        variance += error * error;
        estimate.rounds = std::min(estimate.rounds, ratios.size());
    }
    estimate.log_ratio /= static_cast<double>(layers_);
    estimate.error = std::sqrt(variance) / static_cast<double>(layers_);
    return estimate;
}

std::vector<Ranked> Ratios::ranking() const {
    std::vector<Ranked> ranked;
    for (const auto& [candidate, ratios] : ratios_) {
        if (const auto value = estimate(candidate)) ranked.push_back({candidate, *value});
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
        return a.estimate.log_ratio + a.estimate.error < b.estimate.log_ratio + b.estimate.error;
    });
    return ranked;
}

}  // namespace octile::tuner
