// Which layers to make INT8 so that most time is saved within an error budget. Pure functions.
//
// Error energies add up: a layer in INT8 puts out noise of relative energy e (noise over signal, 10^(-SQNR / 10)), the
// errors of different layers are taken for independent and for reaching the network's output with the same gain, and
// so the network's is E = sum of e over its INT8 layers. As SQNR that is -10 log10(E) dB, as relative RMS error
// sqrt(E).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace octile {

struct BudgetItem {
    double saved = 0;   // time that INT8 saves; any unit, the same for all. Never taken unless above 0
    double energy = 0;  // relative noise energy, >= 0
};

// A set of items that no other set found saves more than at no more energy.
struct BudgetSet {
    double saved = 0;
    double energy = 0;
    std::vector<std::size_t> items;  // in increasing order
};

struct Frontier {
    std::vector<BudgetSet> sets;  // saved and energy increase strictly; the first has the least energy
    // How much more a set could save than the best here at the same energy. 0: the frontier is exact.
    double bound = 0;
};

// The frontier is found by the method of Nemhauser and Ullmann (1969): item by item, all sets that are not dominated.
// That is exact while they are at most kMostSets. Beyond, sets are thinned to one in each of kMostSets equal steps of
// saved time, which costs one step each time, and the sets of the greedy order (most time per energy first), whose
// distance from the best is at most the largest single item, are added at the end: `bound` is the smaller of the two.
inline constexpr std::size_t kMostSets = 4096;
Frontier find_frontier(std::span<const BudgetItem> items);

// The set of the frontier that saves most with at most this energy. As the frontier does not depend on the budget, a
// larger one never saves less. Null when not even the empty set has so little (a budget below 0).
const BudgetSet* best_within(const Frontier& frontier, double energy);

// Network SQNR in dB and relative RMS error of an energy, and back. No energy is infinitely many dB.
double sqnr_of_energy(double energy);
double energy_of_sqnr(double sqnr_db);
double energy_of_error(double relative_rms);

}  // namespace octile
