#include "tuner/ratios.h"

#include <fmt/format.h>

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

std::string confidence_text(const Estimate& estimate) {
    const double confidence = estimate.confidence();
    return confidence > 0.9995 ? ">99.9 %" : fmt::format("{:.1f} %", 100 * confidence);
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
    std::vector<double> job;
    for (std::size_t round = 0; round < base.size(); ++round)
        job.push_back(std::log(ns[round] / base[round]));
    Samples& samples = samples_[candidate][layer];
    samples.ratios.insert(samples.ratios.end(), job.begin(), job.end());
    samples.jobs.push_back({median(job), static_cast<double>(job.size())});
}

// Every job is a process of its own, whose memory lies elsewhere, and that may be worth more than all noise within one.
double Ratios::error_of(const Samples& samples) {
    constexpr std::size_t kFewestJobs = 3;  // fewer say nothing of their spread
    const double within = error_of_median(samples.ratios);
    if (samples.jobs.size() < kFewestJobs) return within;
    double rounds = 0, mean = 0, square = 0;
    for (const Samples::Job& job : samples.jobs) {
        rounds += job.rounds;
        mean += job.rounds * job.median;
    }
    mean /= rounds;
    for (const Samples::Job& job : samples.jobs)
        square += job.rounds * (job.median - mean) * (job.median - mean);
    return std::max(within, std::sqrt(square / (rounds * static_cast<double>(samples.jobs.size() - 1))));
}

std::optional<Estimate> Ratios::estimate(std::size_t candidate) const {
    const auto found = samples_.find(candidate);
    if (found == samples_.end() || failed(candidate)) return std::nullopt;
    Estimate estimate{.log_ratio = 0, .error = 0, .rounds = SIZE_MAX};
    double variance = 0;
    if (found->second.size() < layers_) return std::nullopt;
    for (const auto& [layer, samples] : found->second) {
        estimate.log_ratio += median(samples.ratios);
        const double error = candidate == 0 ? 0 : error_of(samples);
        variance += error * error;
        estimate.rounds = std::min(estimate.rounds, samples.ratios.size());
    }
    estimate.log_ratio /= static_cast<double>(layers_);
    estimate.error = std::sqrt(variance) / static_cast<double>(layers_);
    return estimate;
}

std::vector<Ranked> Ratios::ranking() const {
    std::vector<Ranked> ranked;
    for (const auto& [candidate, layers] : samples_) {
        if (const auto value = estimate(candidate)) ranked.push_back({candidate, *value});
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
        return a.estimate.log_ratio + a.estimate.error < b.estimate.log_ratio + b.estimate.error;
    });
    return ranked;
}

}  // namespace octile::tuner
