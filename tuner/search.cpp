#include "tuner/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "base/check.h"
#include "base/names.h"

namespace octile::tuner {
namespace {

constexpr std::array<std::string_view, 4> kRigors = {"estimate", "measure", "patient", "exhaustive"};

class Search {
  public:
    Search(const SearchSettings& settings, Laboratory& laboratory,
           const std::function<void(const SearchProgress&)>& on_progress)
        : settings_(settings), laboratory_(laboratory), on_progress_(on_progress), samples_(settings.layers) {}

    // Measures a pool that the default belongs to until one is left, or they are told apart no better.
    void run_generation(std::vector<std::size_t> pool) {
        // What is not measured is not built.
        if (pool.size() < 2 || cannot_measure(pool.size(), settings_.first_rounds)) return;
        if (!prepare(pool)) return;
        progress_.done = 0;
        progress_.total = 0;
        for (const Rung& rung : planned_rungs(pool.size(), settings_))
            progress_.total += samples_of(rung.candidates, rung.rounds);
        int rounds = settings_.first_rounds, last = 0;
        for (int rung = 0; pool.size() > 1; ++rung) {
            progress_.rung = rung;
            if (!run_rung(pool, rounds)) break;
            if (rounds >= settings_.most_rounds && ++last >= settings_.last_rungs) break;
            pool = better_half(pool);
            rounds = std::min(rounds * 2, settings_.most_rounds);
        }
        ++progress_.generation;
    }

    bool over() const { return ended_.has_value(); }
    bool prepared(std::size_t candidate) const { return prepared_.contains(candidate); }
    std::vector<Ranked> ranking() const { return samples_.ranking(); }

    SearchResult result() const {
        SearchResult result;
        result.ranking = samples_.ranking();
        result.trials = trials_;
        result.end = ended_.value_or(SearchEnd::kFinished);
        result.status = status_;
        for (const Ranked& ranked : result.ranking) {
            if (ranked.candidate == 0 || !surely_faster(ranked.estimate, settings_.tie)) continue;
            result.best = ranked.candidate;
            result.estimate = ranked.estimate;
            break;
        }
        return result;
    }

  private:
    std::int64_t samples_of_job(std::size_t candidates, int rounds) const {
        return (static_cast<std::int64_t>(candidates) + settings_.beside) * rounds;
    }
    std::int64_t samples_of(std::size_t candidates, int rounds) const {
        return static_cast<std::int64_t>(settings_.layers) * samples_of_job(candidates, rounds);
    }

    void end(SearchEnd why, Status status = {}) {
        if (ended_) return;
        ended_ = why;
        status_ = std::move(status);
    }

    // Whether the budget does not allow for these rounds on one layer, which ends the search.
    bool cannot_measure(std::size_t candidates, int rounds) {
        if (trials_ + samples_of_job(candidates, rounds) <= settings_.trials && !laboratory_.ended()) return false;
        end(SearchEnd::kBudget);
        return true;
    }

    bool prepare(std::vector<std::size_t>& pool) {
        const Result<std::vector<bool>> usable = laboratory_.prepare(pool);
        if (!usable.ok()) {
            end(SearchEnd::kStopped, usable.status());
            return false;
        }
        OCTILE_CHECK_EQ(usable->size(), pool.size());
        prepared_.insert(pool.begin(), pool.end());
        std::vector<std::size_t> kept;
        for (std::size_t i = 0; i < pool.size(); ++i) {
            if (usable.value()[i]) kept.push_back(pool[i]);
        }
        pool = std::move(kept);
        if (pool.empty() || pool.front() != 0) {
            end(SearchEnd::kStopped, Status(StatusCode::kInternal, "the default schedule cannot be measured"));
            return false;
        }
        return true;
    }

    bool run_rung(std::vector<std::size_t>& pool, int rounds) {
        for (std::size_t layer = 0; layer < settings_.layers; ++layer) {
            if (cannot_measure(pool.size(), rounds)) return false;
            const Job job{fmt::format("g{}.r{}.l{}", progress_.generation, progress_.rung, layer), layer, pool, rounds};
            const Result<std::vector<CandidateSamples>> results = laboratory_.measure(job);
            if (!results.ok()) {
                end(SearchEnd::kStopped, results.status());
                return false;
            }
            OCTILE_CHECK_EQ(results->size(), pool.size());
            if (!results->front().error.empty()) {
                end(SearchEnd::kStopped,
                    Status(StatusCode::kInternal, "the default schedule: " + results->front().error));
                return false;
            }
            for (std::size_t i = 0; i < pool.size(); ++i)
                samples_.add(layer, pool[i], results->front().ns, results.value()[i].ns);
            const std::int64_t taken = samples_of_job(pool.size(), rounds);
            trials_ += taken;
            progress_.done = std::min(progress_.total, progress_.done + taken);
            std::erase_if(pool, [&](std::size_t candidate) { return samples_.failed(candidate); });
            report(pool.size());
        }
        return true;
    }

    void report(std::size_t candidates) {
        if (!on_progress_) return;
        progress_.candidates = candidates;
        const std::vector<Ranked> ranked = samples_.ranking();
        progress_.best = ranked.empty() ? std::nullopt : std::optional(ranked.front());
        on_progress_(progress_);
    }

    // The default and the fastest of the others, half of them at most. One that is slower than the fastest beyond doubt
    // goes in any case.
    std::vector<std::size_t> better_half(const std::vector<std::size_t>& pool) const {
        constexpr double kDoubt = 3;               // standard errors of the difference
        constexpr std::size_t kEnoughRounds = 12;  // for a deviation to mean something
        std::vector<Ranked> others;
        for (const Ranked& ranked : samples_.ranking()) {
            if (ranked.candidate != 0 && std::find(pool.begin(), pool.end(), ranked.candidate) != pool.end())
                others.push_back(ranked);
        }
        std::vector<std::size_t> kept = {0};
        if (others.empty()) return kept;
        const Estimate best = others.front().estimate;
        const std::size_t most = others.size() > 2 ? (others.size() + 1) / 2 : others.size();
        for (const Ranked& ranked : others) {
            const double doubt = kDoubt * std::hypot(ranked.estimate.error, best.error);
            const bool known = ranked.estimate.rounds >= kEnoughRounds;
            if (kept.size() > most || (known && ranked.estimate.log_ratio - best.log_ratio > doubt)) break;
            kept.push_back(ranked.candidate);
        }
        // Far behind the default: nothing more to find out.
        if (best.rounds >= kEnoughRounds && best.log_ratio > kDoubt * best.error) return {0};
        return kept;
    }

    const SearchSettings& settings_;
    Laboratory& laboratory_;
    const std::function<void(const SearchProgress&)>& on_progress_;
    Ratios samples_;
    SearchProgress progress_;
    std::set<std::size_t> prepared_;
    std::int64_t trials_ = 0;
    std::optional<SearchEnd> ended_;
    Status status_;
};

}  // namespace

std::string_view name_of(Rigor rigor) {
    return internal::enum_name(kRigors, rigor);
}

std::optional<Rigor> parse_rigor(std::string_view name) {
    return internal::enum_from_name<Rigor>(kRigors, name);
}

SearchSettings settings_of(Rigor rigor, std::size_t layers, std::size_t candidates) {
    SearchSettings settings{.layers = layers};
    switch (rigor) {
        case Rigor::kEstimate:
            settings.first = 1;
            break;
        case Rigor::kMeasure:
            settings.first = 24;
            settings.neighbours = 8;
            break;
        case Rigor::kPatient:
            settings.first = 64;
            settings.neighbours = 24;
            settings.most_rounds = 128;
            break;
        case Rigor::kExhaustive:
            settings.first = candidates;
            settings.most_rounds = 128;
            break;
    }
    return settings;
}

std::vector<std::size_t> first_generation(std::span<const double> predicted, const SearchSettings& settings) {
    std::vector<std::size_t> others(predicted.size() - 1);
    std::iota(others.begin(), others.end(), std::size_t{1});
    std::stable_sort(others.begin(), others.end(),
                     [&](std::size_t a, std::size_t b) { return predicted[a] < predicted[b]; });
    const std::size_t count = std::min(others.size(), settings.first - 1);
    const auto drawn = static_cast<std::size_t>(settings.explored * static_cast<double>(count));
    // Not std::shuffle, whose result differs between standard libraries.
    std::mt19937_64 random(settings.seed);
    for (std::size_t at = count - drawn; at < count; ++at)
        std::swap(others[at], others[at + random() % (others.size() - at)]);
    others.resize(count);
    others.insert(others.begin(), 0);
    return others;
}

std::vector<Rung> planned_rungs(std::size_t candidates, const SearchSettings& settings) {
    std::vector<Rung> rungs;
    int rounds = settings.first_rounds, last = 0;
    while (candidates > 1) {
        rungs.push_back({candidates, rounds});
        if (rounds >= settings.most_rounds && ++last >= settings.last_rungs) break;
        const std::size_t others = candidates - 1;
        candidates = 1 + (others > 2 ? (others + 1) / 2 : others);
        rounds = std::min(rounds * 2, settings.most_rounds);
    }
    return rungs;
}

SearchResult search(std::span<const double> predicted, const SearchSettings& settings, Laboratory& laboratory,
                    const std::function<std::vector<std::size_t>(std::size_t)>& neighbours_of,
                    const std::function<void(const SearchProgress&)>& on_progress) {
    OCTILE_CHECK_LT(std::size_t{0}, predicted.size());
    OCTILE_CHECK_LT(std::size_t{0}, settings.first);
    Search state(settings, laboratory, on_progress);
    state.run_generation(first_generation(predicted, settings));
    std::size_t around = SIZE_MAX;
    while (settings.neighbours > 0 && !state.over()) {
        const std::vector<Ranked> ranked = state.ranking();
        if (ranked.empty() || ranked.front().candidate == around) break;
        around = ranked.front().candidate;
        std::vector<std::size_t> near = neighbours_of(around);
        std::erase_if(near, [&](std::size_t candidate) { return state.prepared(candidate); });
        std::stable_sort(near.begin(), near.end(),
                         [&](std::size_t a, std::size_t b) { return predicted[a] < predicted[b]; });
        near.resize(std::min(near.size(), settings.neighbours));
        if (near.empty()) break;
        std::vector<std::size_t> pool = {0};
        if (around != 0) pool.push_back(around);
        pool.insert(pool.end(), near.begin(), near.end());
        state.run_generation(std::move(pool));
    }
    return state.result();
}

}  // namespace octile::tuner
