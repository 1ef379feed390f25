#include "tuner/selection.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "base/statistics.h"

namespace octile::tuner {
namespace {

// The layers and schedules of a group, numbered; schedule 0 is the default.
class GroupRecords {
  public:
    void add(const Record& record) {
        // The last record of its kind counts: a search that was resumed repeats the job it was killed in.
        jobs_[{record.session, record.job, record.key}][record.params.dump()] = &record;
        if (record.is_default) default_ = record.params.dump();
    }

    std::optional<Choice> choose(const Group& group) const {
        if (default_.empty()) return std::nullopt;
        std::map<RecordKey, std::size_t> layers;
        for (const auto& [job, records] : jobs_) {
            const auto base = records.find(default_);
            if (base != records.end() && !base->second->ns.empty()) layers.emplace(std::get<2>(job), layers.size());
        }
        if (layers.empty()) return std::nullopt;

        Ratios all(layers.size());
        std::map<std::string, std::size_t> numbers = {{default_, 0}};
        std::vector<const Record*> schedules(1);
        std::map<std::size_t, std::set<std::size_t>> seen;  // layers of each schedule
        std::map<std::pair<std::size_t, std::size_t>, std::vector<double>> ratios, times;
        for (const auto& [job, records] : jobs_) {
            const auto base = records.find(default_);
            if (base == records.end() || base->second->ns.empty()) continue;
            const std::size_t layer = layers.at(std::get<2>(job));
            for (const auto& [params, record] : records) {
                const std::size_t number = numbers.emplace(params, numbers.size()).first->second;
                if (number >= schedules.size()) schedules.resize(number + 1);
                schedules[number] = record;
                all.add(layer, number, base->second->ns, record->ns);
                if (record->ns.size() != base->second->ns.size()) continue;
                seen[number].insert(layer);
                auto& own = ratios[{number, layer}];
                for (std::size_t i = 0; i < record->ns.size(); ++i)
                    own.push_back(record->ns[i] / base->second->ns[i]);
                auto& ns = times[{number, layer}];
                ns.insert(ns.end(), record->ns.begin(), record->ns.end());
            }
        }

        Choice choice;
        choice.group = group;
        choice.schedules = seen.size();
        const double tie = group.source == Source::kModel ? kModelTie : kTie;
        std::size_t best = 0;
        const std::vector<Ranked> ranking = all.ranking();
        for (const Ranked& ranked : ranking) {
            choice.ranking.push_back({schedules[ranked.candidate]->label, ranked.estimate, layers.size()});
            if (best == 0 && ranked.candidate != 0 && surely_faster(ranked.estimate, tie)) {
                best = ranked.candidate;
                choice.estimate = ranked.estimate;
            }
        }
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
        const Record& chosen = *schedules[best];
        choice.params = chosen.params;
        choice.label = chosen.label;
        choice.default_params = schedules[0]->params;
        choice.default_label = schedules[0]->label;
        choice.is_default = best == 0;
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

Group group_of(const Record& record) {
    const RecordKey& key = record.key;
    return {key.kernel, key.isa, key.core, key.vector_bits, key.threads, record.source};
}

std::vector<Choice> choose(std::span<const Record> records) {
    std::map<Group, GroupRecords> groups;
    for (const Record& record : records)
        groups[group_of(record)].add(record);
    std::vector<Choice> choices;
    for (const auto& [group, content] : groups) {
        if (std::optional<Choice> choice = content.choose(group)) choices.push_back(std::move(*choice));
    }
    return choices;
}

Measurements measurements_of(std::span<const Record> records,
                             const std::function<bool(std::string_view, std::string_view)>& is_core) {
    struct Entry {
        RecordKey key;
        double us;
    };
    auto entries = std::make_shared<std::vector<Entry>>();
    for (const Choice& choice : choose(records)) {
        if (choice.group.source != Source::kMeasured) continue;
        for (const LayerTime& layer : choice.layers)
            entries->push_back({layer.layer, layer.best_ns / 1e3});
    }
    return [entries, is_core](const MeasurementKey& wanted) -> std::optional<double> {
        const std::string_view kernel = wanted.precision == Precision::kInt8 ? "gemm_s8" : "gemm_f16";
        // The runtime takes the highest level.
        const Entry* found = nullptr;
        for (const Entry& entry : *entries) {
            const RecordKey& key = entry.key;
            if (key.kernel != kernel || key.threads != wanted.threads || key.m != wanted.m || key.k != wanted.k ||
                key.n != wanted.n || key.epilogue != wanted.activation || !is_core(key.core, wanted.core))
                continue;
            if (!found || found->key.isa < key.isa) found = &entry;
        }
        return found ? std::optional(found->us) : std::nullopt;
    };
}

}  // namespace octile::tuner
