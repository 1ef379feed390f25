#include "tuner/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "base/statistics.h"

namespace octile::tuner {
namespace {

bool is_confirmation(const Record& record) {
    return record.job.starts_with(kConfirmation);
}

// A schedule beside the default in one job.
struct Comparison {
    std::size_t schedule, layer;
    const Record *base, *record;
};

// Schedules that were measured once more on every layer. What made them stand out before may have been luck, and does
// not count.
std::set<std::size_t> confirmed_of(const std::vector<Comparison>& comparisons, std::size_t layers) {
    std::map<std::size_t, std::set<std::size_t>> seen;
    for (const auto& [schedule, layer, base, record] : comparisons) {
        if (is_confirmation(*record)) seen[schedule].insert(layer);
    }
    std::set<std::size_t> confirmed;
    for (const auto& [schedule, own] : seen) {
        if (own.size() == layers) confirmed.insert(schedule);
    }
    return confirmed;
}

// The layers and schedules of a group, numbered; schedule 0 is the default.
class GroupRecords {
  public:
    void add(const Record& record) {
        // The last record of its kind counts: a search that was resumed repeats the job it was killed in.
        jobs_[{record.session, record.job, record.key}][record.params.dump()] = &record;
        if (record.is_default) default_ = record.params.dump();
    }

    std::optional<Choice> choose(const Group& group, std::optional<double> margin) const {
        if (default_.empty()) return std::nullopt;
        std::map<RecordKey, std::size_t> layers;
        for (const auto& [job, records] : jobs_) {
            const auto base = records.find(default_);
            if (base != records.end() && !base->second->ns.empty()) layers.emplace(std::get<2>(job), layers.size());
        }
        if (layers.empty()) return std::nullopt;

        std::map<std::string, std::size_t> numbers = {{default_, 0}};
        std::vector<const Record*> schedules(1);
        std::vector<Comparison> comparisons;
        for (const auto& [job, records] : jobs_) {
            const auto base = records.find(default_);
            if (base == records.end() || base->second->ns.empty()) continue;
            for (const auto& [params, record] : records) {
                const std::size_t number = numbers.emplace(params, numbers.size()).first->second;
                if (number >= schedules.size()) schedules.resize(number + 1);
                schedules[number] = record;
                comparisons.push_back({number, layers.at(record->key), base->second, record});
            }
        }
        const std::set<std::size_t> confirmed = confirmed_of(comparisons, layers.size());

        Ratios all(layers.size());
        std::map<std::size_t, std::set<std::size_t>> seen;  // layers of each schedule
        std::map<std::pair<std::size_t, std::size_t>, std::vector<double>> ratios, times;
        for (const auto& [number, layer, base, record] : comparisons) {
            if (confirmed.contains(number) && !is_confirmation(*record)) continue;
            all.add(layer, number, base->ns, record->ns);
            if (record->ns.size() != base->ns.size()) continue;
            seen[number].insert(layer);
            auto& own = ratios[{number, layer}];
            for (std::size_t i = 0; i < record->ns.size(); ++i)
                own.push_back(record->ns[i] / base->ns[i]);
            auto& ns = times[{number, layer}];
            ns.insert(ns.end(), record->ns.begin(), record->ns.end());
        }

        Choice choice;
        choice.group = group;
        choice.schedules = seen.size();
        const double tie = margin.value_or(group.source == Source::kModel ? kModelTie : kTie);
        std::size_t best = 0;
        const std::vector<Ranked> ranking = all.ranking();
        for (const Ranked& ranked : ranking) {
            choice.ranking.push_back({schedules[ranked.candidate]->label, ranked.estimate, layers.size()});
            if (!confirmed.empty() && !confirmed.contains(ranked.candidate)) continue;
            if (ranked.candidate == 0 || best != 0) continue;
            if (surely_faster(ranked.estimate, tie)) {
                best = ranked.candidate;
                choice.estimate = ranked.estimate;
            } else if (!choice.contender && ranked.estimate.log_ratio < 0) {
                choice.contender = choice.ranking.back();
            }
        }
        const auto whole = static_cast<std::ptrdiff_t>(choice.ranking.size());
        for (const auto& [number, own] : seen) {
            if (own.size() == layers.size() || all.failed(number)) continue;
            Ratios part(own.size());
            std::size_t at = 0;
            for (const std::size_t layer : own) {
                const std::vector<double>& values = ratios.at({number, layer});
                part.add(at++, 1, std::vector<double>(values.size(), 1.0), values);
            }
            if (const auto estimate = part.estimate(1))
                choice.ranking.push_back({schedules[number]->label, *estimate, own.size()});
        }
        std::stable_sort(choice.ranking.begin() + whole, choice.ranking.end(), [](const auto& a, const auto& b) {
            return std::tuple(b.layers, a.estimate.log_ratio) < std::tuple(a.layers, b.estimate.log_ratio);
        });
        const Record& chosen = *schedules[best];
        choice.params = chosen.params;
        choice.label = chosen.label;
        choice.default_params = schedules[0]->params;
        choice.default_label = schedules[0]->label;
        choice.is_default = best == 0;
        if (!choice.is_default) choice.contender.reset();
        for (const auto& [layer, number] : layers) {
            const std::vector<double>& base = times.at({0, number});
            const double ns = median(base);
            choice.layers.push_back({layer, ns, ns * median(ratios.at({best, number})), deviation(base)});
        }
        return choice;
    }

  private:
    std::string default_;
    std::map<std::tuple<std::string, std::string, RecordKey>, std::map<std::string, const Record*>> jobs_;
};

}  // namespace

std::string percent_of(const Estimate& estimate) {
    return fmt::format("{:+.1f} %", 100 * (estimate.speedup() - 1));
}

std::string gain_of(const Estimate& estimate) {
    return fmt::format("{}, sure to {}", percent_of(estimate), confidence_text(estimate));
}

std::string verdict_of(const Choice& choice) {
    // Of a model there is no doubt, only error.
    const auto gain = [&](const Estimate& estimate) {
        return choice.group.source == Source::kModel ? percent_of(estimate) : gain_of(estimate);
    };
    if (!choice.is_default)
        return fmt::format("{} instead of {}: {}, of {} schedules", choice.label, choice.default_label,
                           gain(choice.estimate), choice.schedules);
    if (!choice.contender)
        return fmt::format("the default, {}, is the best of {} schedules", choice.label, choice.schedules);
    return fmt::format("the default, {}, of {} schedules; the best other, {}, is too close: {}", choice.label,
                       choice.schedules, choice.contender->label, gain(choice.contender->estimate));
}

Group group_of(const Record& record) {
    const RecordKey& key = record.key;
    return {key.kernel, key.isa, key.core, key.vector_bits, key.threads, record.source};
}

std::vector<Choice> choose(std::span<const Record> records, std::optional<double> margin) {
    std::map<Group, GroupRecords> groups;
    for (const Record& record : records)
        groups[group_of(record)].add(record);
    std::vector<Choice> choices;
    for (const auto& [group, content] : groups) {
        if (std::optional<Choice> choice = content.choose(group, margin)) choices.push_back(std::move(*choice));
    }
    return choices;
}

Measurements measurements_of(std::span<const Record> records,
                             const std::function<bool(std::string_view, std::string_view)>& is_core) {
    struct Entry {
        std::string core;
        Isa isa;
        double us;
    };
    using Key = std::tuple<std::string, int, std::int64_t, std::int64_t, std::int64_t, Activation>;
    auto entries = std::make_shared<std::map<Key, std::vector<Entry>>>();
    for (const Choice& choice : choose(records)) {
        if (choice.group.source != Source::kMeasured) continue;
        for (const LayerTime& layer : choice.layers) {
            const RecordKey& key = layer.layer;
            (*entries)[{key.kernel, key.threads, key.m, key.k, key.n, key.epilogue}].push_back(
                {key.core, key.isa, layer.best_ns / 1e3});
        }
    }
    return [entries, is_core](const MeasurementKey& wanted) -> std::optional<double> {
        if (wanted.precision == Precision::kInt4) return std::nullopt;  // nothing measures it yet
        const std::string kernel = wanted.precision == Precision::kInt8 ? "gemm_s8" : "gemm_f16";
        const auto layer = entries->find({kernel, wanted.threads, wanted.m, wanted.k, wanted.n, wanted.activation});
        if (layer == entries->end()) return std::nullopt;
        // The runtime takes the highest level.
        const Entry* found = nullptr;
        for (const Entry& entry : layer->second) {
            if ((!found || found->isa < entry.isa) && is_core(entry.core, wanted.core)) found = &entry;
        }
        return found ? std::optional(found->us) : std::nullopt;
    };
}

}  // namespace octile::tuner
