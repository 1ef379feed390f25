#include "calibration/budget.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <random>
#include <vector>

using namespace octile;

namespace {

std::vector<BudgetItem> random_items(std::size_t count, unsigned seed) {
    std::minstd_rand random(seed);
    const auto uniform = [&] {
        return static_cast<double>(random() - random.min()) / static_cast<double>(random.max());
    };
    std::vector<BudgetItem> items;
    for (std::size_t i = 0; i < count; ++i)
        items.push_back({uniform() - 0.1, std::pow(10, -2 - 3 * uniform())});
    return items;
}

// By trying every set.
double best_by_force(const std::vector<BudgetItem>& items, double energy) {
    double best = 0;
    for (std::size_t set = 0; set < std::size_t{1} << items.size(); ++set) {
        double saved = 0, used = 0;
        for (std::size_t i = 0; i < items.size(); ++i) {
            if ((set >> i & 1) == 0) continue;
            saved += items[i].saved;
            used += items[i].energy;
        }
        if (used <= energy) best = std::max(best, saved);
    }
    return best;
}

void check_frontier(const std::vector<BudgetItem>& items, const Frontier& frontier) {
    REQUIRE_FALSE(frontier.sets.empty());
    CHECK(frontier.sets.front().items.empty());
    bool right = true;
    for (std::size_t i = 0; i < frontier.sets.size(); ++i) {
        const BudgetSet& set = frontier.sets[i];
        double saved = 0, energy = 0;
        for (const std::size_t item : set.items) {
            saved += items[item].saved;
            energy += items[item].energy;
            right &= items[item].saved > 0;
        }
        right &= std::adjacent_find(set.items.begin(), set.items.end(), std::greater_equal<>()) == set.items.end();
        right &= std::fabs(saved - set.saved) <= 1e-12 * (1 + saved) && std::fabs(energy - set.energy) <= 1e-12;
        if (i > 0) right &= set.saved > frontier.sets[i - 1].saved && set.energy > frontier.sets[i - 1].energy;
    }
    CHECK(right);
}

}  // namespace

TEST_CASE("budget: exact where every set can be tried") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        const std::vector<BudgetItem> items = random_items(12, seed);
        const Frontier frontier = find_frontier(items);
        CHECK(frontier.bound == 0);
        check_frontier(items, frontier);
        for (const double budget : {0.0, 1e-5, 1e-4, 1e-3, 5e-3, 2e-2, 1.0}) {
            const BudgetSet* const best = best_within(frontier, budget);
            REQUIRE(best != nullptr);
            CHECK(best->energy <= budget);
            CHECK(best->saved == Approx(best_by_force(items, budget)).margin(1e-12));
        }
    }
}

TEST_CASE("budget: a larger one never saves less") {
    for (const std::size_t count : {1u, 5u, 37u, 150u}) {
        const Frontier frontier = find_frontier(random_items(count, 7));
        double last = -1;
        for (double budget = 1e-7; budget < 10; budget *= 1.01) {
            const BudgetSet* const best = best_within(frontier, budget);
            REQUIRE(best != nullptr);
            if (best->saved < last) CHECK(best->saved >= last);
            last = best->saved;
        }
    }
}

TEST_CASE("budget: many layers, within the bound that is stated, and at once") {
    const std::vector<BudgetItem> items = random_items(300, 3);
    double total = 0;
    for (const BudgetItem& item : items)
        total += std::max(item.saved, 0.0);
    const auto start = std::chrono::steady_clock::now();
    const Frontier frontier = find_frontier(items);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    INFO(took.count() << " s");
    CHECK(took.count() < 20);  // about 0.1: the limit is for emulators and sanitizers
    check_frontier(items, frontier);
    CHECK(frontier.bound > 0);
    CHECK(frontier.bound <= 300.0 / static_cast<double>(kMostSets) * total);
    // The fractional optimum bounds the best set from above.
    std::vector<BudgetItem> order = items;
    std::erase_if(order, [](const BudgetItem& item) { return item.saved <= 0; });
    std::sort(order.begin(), order.end(),
              [](const BudgetItem& a, const BudgetItem& b) { return a.saved * b.energy > b.saved * a.energy; });
    for (const double budget : {1e-4, 1e-3, 1e-2, 0.1}) {
        double left = budget, upper = 0;
        for (const BudgetItem& item : order) {
            const double part = std::min(1.0, left / item.energy);
            upper += part * item.saved;
            left -= part * item.energy;
            if (part < 1) break;
        }
        CHECK(best_within(frontier, budget)->saved <= upper + 1e-9);
        CHECK(best_within(frontier, budget)->saved >= upper - frontier.bound - 1);  // one item between the two
    }
}

TEST_CASE("budget: what is free, what saves nothing, nothing at all") {
    const std::vector<BudgetItem> items = {{1, 0}, {0, 0}, {-1, 0}, {2, 0.5}};
    const Frontier frontier = find_frontier(items);
    REQUIRE(frontier.sets.size() == 2);
    CHECK(frontier.sets[0].items == std::vector<std::size_t>{0});
    CHECK(frontier.sets[1].items == std::vector<std::size_t>{0, 3});
    CHECK(best_within(frontier, -1) == nullptr);
    CHECK(find_frontier({}).sets.size() == 1);
}

TEST_CASE("budget: energies, decibels and relative errors") {
    CHECK(sqnr_of_energy(0.01) == Approx(20));
    CHECK(std::isinf(sqnr_of_energy(0)));
    CHECK(energy_of_sqnr(20) == Approx(0.01));
    CHECK(energy_of_error(0.1) == Approx(0.01));
}
