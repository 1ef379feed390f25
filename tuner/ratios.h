// Times relative to the default schedule's, taken in the same rounds: what the search and the database rank by.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace octile::tuner {

// Time relative to the default's, as a natural logarithm: the mean over layers of medians over rounds. Negative is
// faster.
struct Estimate {
    double log_ratio = 0;
    double error = 0;  // standard error: of the rounds, or of the jobs where these differ by more
    std::size_t rounds = 0;

    double speedup() const;  // default : candidate
    // One-sided confidence that the candidate is the faster one, 0.5 for a tie.
    double confidence() const;
};

// A candidate replaces the default if it is faster by more than this share with a confidence of kSurely.
// A model has no noise, and an error of several percent: what it finds has to be plain.
inline constexpr double kTie = 0.005, kSurely = 0.95, kModelTie = 0.02;
bool surely_faster(const Estimate& estimate, double tie = kTie);

// "99.0 %", ">99.9 %".
std::string confidence_text(const Estimate& estimate);

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
    struct Samples {
        std::vector<double> ratios;  // of all rounds, logarithms
        struct Job {
            double median = 0, rounds = 0;
        };
        std::vector<Job> jobs;
    };
    static double error_of(const Samples& samples);

    std::size_t layers_;
    std::map<std::size_t, std::map<std::size_t, Samples>> samples_;  // of each candidate, by layer
    std::set<std::size_t> failed_;
};

}  // namespace octile::tuner
