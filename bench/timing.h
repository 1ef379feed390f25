// Timing of cells against each other on a machine that is not ours alone: samples are interleaved, so that a change of
// clock or a busy neighbour meets all of them, and medians are reported, which one disturbed sample does not move.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/statistics.h"
#include "bench/cell.h"

namespace octile::bench {

// A cell under measurement: seconds of one call, per round.
struct Series {
    const Cell* cell = nullptr;
    std::vector<double> seconds;

    double gops() const { return cell->operations / median(seconds) * 1e-9; }
    double relative_deviation() const { return deviation(seconds) / median(seconds); }
};

// Median over the rounds of how many times faster `a` ran than `b`, counted in operations per second. Samples of one
// round were taken next to each other, which makes this steadier than a ratio of medians.
double speed_ratio(const Series& a, const Series& b);

// The same in calls per second.
double call_ratio(const Series& a, const Series& b);

struct SamplingPlan {
    int rounds = 31;
    double sample_seconds = 0.01;  // a sample is as many calls as take at least this long
    int threads = 1;  // one: the clock is the thread's own and stands still while another process has the core
};

// Runs every series' cell in turn, round after round, and calls on_round after each. The cells must have been verified.
Status run_interleaved(std::span<Series> series, const SamplingPlan& plan, const std::function<void()>& on_round);

}  // namespace octile::bench
