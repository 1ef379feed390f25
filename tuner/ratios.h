// Times relative to the default schedule's, taken in the same rounds: what the search and the database rank by.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

namespace octile::tuner {

// Time relative to the default's, as a natural logarithm: the mean over layers of medians over rounds. Negative is
// faster.
struct Estimate {
    double log_ratio = 0;
    double error = 0;  // standard error, from the median deviations
    std::size_t rounds = 0;

    double speedup() const;  // default : candidate
    // One-sided confidence that the candidate is the faster one, 0.5 for a tie.
    double confidence() const;
};

// A candidate replaces the default if it is faster by more than this share with a confidence of kSurely.
// A model has no noise, and an error of several percent: what it finds has to be plain.
inline constexpr double kTie = 0.005, kSurely = 0.95, kModelTie = 0.02;
bool surely_faster(const Estimate& estimate, double tie = kTie);

struct Ranked {
    std::size_t candidate = 0;
    Estimate estimate = {};
};

class Ratios {
  public:
    explicit Ratios(std::size_t layers) : layers_(layers) {}

    // Samples of one job, nanoseconds, i-th beside i-th. A candidate with no samples, or of another number, has failed
    // for good.
    void add(std::size_t layer, std::size_t candidate, std::span<const double> base, std::span<const double> ns);
    bool failed(std::size_t candidate) const { return failed_.contains(candidate); }

    // Empty for one that was not measured on every layer, or failed on one. Of the default, candidate 0: no error.
    std::optional<Estimate> estimate(std::size_t candidate) const;

    // Those with an estimate, by its pessimistic end: a few lucky samples do not lead.
    std::vector<Ranked> ranking() const;

  private:
    std::size_t layers_;
    std::map<std::size_t, std::vector<std::vector<double>>> ratios_;
    std::set<std::size_t> failed_;
};

}  // namespace octile::tuner
