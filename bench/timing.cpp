#include "bench/timing.h"

#include <time.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace octile::bench {
namespace {

double now(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Seconds of one call, over `calls` of them.
Result<double> sample(const Cell& cell, int calls, clockid_t clock) {
    const double start = now(clock);
    for (int i = 0; i < calls; i++) {
        if (Status status = cell.run(); !status.ok()) return status;
    }
    return (now(clock) - start) / calls;
}

// One call brings the cell's memory into the caches, which the cell before it has just left.
Result<int> calls_for(const Cell& cell, double sample_seconds, clockid_t clock) {
    for (int calls = 1;; calls *= 2) {
        const Result<double> seconds = sample(cell, calls, clock);
        if (!seconds.ok()) return seconds.status();
        if (seconds.value() * calls >= sample_seconds / 2) {
            return std::max(1, static_cast<int>(std::ceil(sample_seconds / seconds.value())));
        }
    }
}

}  // namespace

double speed_ratio(const Series& a, const Series& b) {
    return call_ratio(a, b) * (a.cell->operations / b.cell->operations);
}

double call_ratio(const Series& a, const Series& b) {
    OCTILE_CHECK_EQ(a.seconds.size(), b.seconds.size());
    std::vector<double> ratios;
    for (std::size_t i = 0; i < a.seconds.size(); i++)
        ratios.push_back(b.seconds[i] / a.seconds[i]);
    return median(std::move(ratios));
}

Status run_interleaved(std::span<Series> series, const SamplingPlan& plan, const std::function<void()>& on_round) {
    const clockid_t clock = plan.threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    std::vector<int> calls;
    for (const Series& one : series) {
        const Result<int> count = calls_for(*one.cell, plan.sample_seconds, clock);
        if (!count.ok()) return count.status();
        calls.push_back(count.value());
    }
    for (int round = 0; round < plan.rounds; round++) {
        for (std::size_t i = 0; i < series.size(); i++) {
            // Untimed: see calls_for().
            if (Status status = series[i].cell->run(); !status.ok()) return status;
            const Result<double> seconds = sample(*series[i].cell, calls[i], clock);
            if (!seconds.ok()) return seconds.status();
            series[i].seconds.push_back(seconds.value());
        }
        on_round();
    }
    return {};
}

}  // namespace octile::bench
