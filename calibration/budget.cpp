#include "calibration/budget.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace octile {
namespace {

constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();

// A set as its last item and the set before that.
struct Link {
    std::uint32_t item = kNobody;
    std::uint32_t before = kNobody;
};

struct State {
    double saved, energy;
    std::uint32_t link;
};

// Increasing in both; `states` is in order of energy, and of two with the same the one that saves more comes first.
std::vector<State> without_dominated(const std::vector<State>& states) {
    std::vector<State> kept;
    for (const State& state : states) {
        if (kept.empty() || state.saved > kept.back().saved) kept.push_back(state);
    }
    return kept;
}

bool before(const State& a, const State& b) {
    return a.energy != b.energy ? a.energy < b.energy : a.saved > b.saved;
}

// Of each step of saved time the state with the least energy, which is the first.
std::vector<State> thinned(const std::vector<State>& states, double step) {
    std::vector<State> kept;
    double last = -1;
    for (const State& state : states) {
        const double bucket = std::floor(state.saved / step);
        if (bucket == last && &state != &states.back()) continue;
        kept.push_back(state);
        last = bucket;
    }
    return kept;
}

std::vector<std::size_t> items_of(std::uint32_t link, const std::vector<Link>& links) {
    std::vector<std::size_t> items;
    for (; link != kNobody; link = links[link].before)
        items.push_back(links[link].item);
    std::sort(items.begin(), items.end());
    return items;
}

}  // namespace

Frontier find_frontier(std::span<const BudgetItem> items) {
    std::vector<std::uint32_t> order;  // most time per energy first
    double total = 0, largest = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
        OCTILE_CHECK_EQ(std::isfinite(items[i].saved) && items[i].energy >= 0 && std::isfinite(items[i].energy), true);
        if (!(items[i].saved > 0)) continue;
        order.push_back(static_cast<std::uint32_t>(i));
        total += items[i].saved;
        largest = std::max(largest, items[i].saved);
    }
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return items[a].saved * items[b].energy > items[b].saved * items[a].energy;
    });

    std::vector<Link> links;
    std::vector<State> states = {{0, 0, kNobody}};
    State greedy = states.front();
    std::vector<State> greedy_states;
    const double step = total / static_cast<double>(kMostSets);
    double lost = 0;
    for (const std::uint32_t item : order) {
        const auto with_item = [&](const State& state) {
            links.push_back({item, state.link});
            return State{state.saved + items[item].saved, state.energy + items[item].energy,
                         static_cast<std::uint32_t>(links.size() - 1)};
        };
        std::vector<State> taken;
        for (const State& state : states)
            taken.push_back(with_item(state));
        std::vector<State> merged(states.size() + taken.size());
        std::merge(states.begin(), states.end(), taken.begin(), taken.end(), merged.begin(), before);
        states = without_dominated(merged);
        if (states.size() > kMostSets) {
            states = thinned(states, step);
            lost += step;
        }
        greedy = with_item(greedy);
        greedy_states.push_back(greedy);
    }
    std::vector<State> merged(states.size() + greedy_states.size());
    std::merge(states.begin(), states.end(), greedy_states.begin(), greedy_states.end(), merged.begin(), before);
    Frontier frontier{.sets = {}, .bound = std::min(lost, largest)};
    for (const State& state : without_dominated(merged))
        frontier.sets.push_back({state.saved, state.energy, items_of(state.link, links)});
    return frontier;
}

const BudgetSet* best_within(const Frontier& frontier, double energy) {
    const BudgetSet* best = nullptr;
    for (const BudgetSet& set : frontier.sets) {
        if (set.energy <= energy) best = &set;
    }
    return best;
}

double sqnr_of_energy(double energy) {
    return energy > 0 ? -10 * std::log10(energy) : std::numeric_limits<double>::infinity();
}

double energy_of_sqnr(double sqnr_db) {
    return std::pow(10, -sqnr_db / 10);
}

double energy_of_error(double relative_rms) {
    return relative_rms * relative_rms;
}

}  // namespace octile
