#include "cli/db_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/table.h"
#include "octile/core.h"
#include "tuner/core_names.h"

namespace octile::cli {
namespace {

using tuner::Choice;
using tuner::Group;

std::string duration(double ns) {
    return ns < 1e6 ? fmt::format("{:.2f} us", ns / 1e3) : fmt::format("{:.3f} ms", ns / 1e6);
}

std::string shape_text(const tuner::RecordKey& key) {
    return fmt::format("{}x{}x{}{}", key.m, key.k, key.n,
                       key.epilogue == Activation::kNone ? "" : fmt::format(" {}", name_of(key.epilogue)));
}

nlohmann::ordered_json choices_json(std::span<const Choice> choices) {
    nlohmann::ordered_json document = nlohmann::ordered_json::array();
    for (const Choice& choice : choices) {
        nlohmann::ordered_json layers = nlohmann::ordered_json::array();
        for (const tuner::LayerTime& layer : choice.layers) {
            layers.push_back({{"m", layer.layer.m},
                              {"k", layer.layer.k},
                              {"n", layer.layer.n},
                              {"epilogue", name_of(layer.layer.epilogue)},
                              {"class", layer.layer.shape_class},
                              {"default_ns", layer.default_ns},
                              {"best_ns", layer.best_ns}});
        }
        document.push_back({{"kernel", choice.group.kernel},
                            {"isa", name_of(choice.group.isa)},
                            {"core", choice.group.core},
                            {"core_name", tuner::core_name(choice.group.core)},
                            {"vector_bits", choice.group.vector_bits},
                            {"threads", choice.group.threads},
                            {"source", name_of(choice.group.source)},
                            {"default", choice.is_default},
                            {"label", choice.label},
                            {"speedup", choice.estimate.speedup()},
                            {"confidence", choice.is_default ? nlohmann::ordered_json()
                                                             : nlohmann::ordered_json(choice.estimate.confidence())},
                            {"schedules", choice.schedules},
                            {"params", nlohmann::ordered_json::parse(choice.params.dump())},
                            {"layers", layers}});
    }
    return document;
}

// Of a model: multiply-accumulates per cycle of whole layers, beside the core's peak.
std::string model_table(const Choice& choice) {
    const Result<Core> core = find_core(tuner::core_name(choice.group.core));
    if (!core.ok()) return {};
    const auto& rates = choice.group.kernel == "gemm_s8" ? core->int8_macs_per_cycle : core->fp16_macs_per_cycle;
    const double peak = rates[static_cast<std::size_t>(choice.group.isa)];
    Table table({{"layer (MxKxN)"},
                 {"default", Align::kRight},
                 {"best", Align::kRight},
                 {"MAC/cycle of", Align::kRight},
                 {"share", Align::kRight}});
    for (const tuner::LayerTime& layer : choice.layers) {
        const double macs = static_cast<double>(layer.layer.m) * static_cast<double>(layer.layer.k) *
                            static_cast<double>(layer.layer.n) / core->clock_ghz;
        table.add_row({{shape_text(layer.layer)},
                       {fmt::format("{:.1f}", macs / layer.default_ns)},
                       {fmt::format("{:.1f}", macs / layer.best_ns)},
                       {peak > 0 ? fmt::format("{:g}", peak) : "-"},
                       {peak > 0 ? fmt::format("{:.1f} %", 100 * macs / layer.best_ns / peak) : "-"}});
    }
    return table.text(false);
}

}  // namespace

std::string title_of(const Group& group) {
    const std::string name = tuner::core_name(group.core);
    return fmt::format("{} on {}, {}{}, {} bits, {} thread{}, {}", group.kernel, name_of(group.isa),
                       name.empty() ? group.core : name,
                       name.empty() || group.source == tuner::Source::kModel ? "" : fmt::format(" ({})", group.core),
                       group.vector_bits, group.threads, group.threads == 1 ? "" : "s", name_of(group.source));
}

std::string show_table(std::span<const Choice> choices) {
    std::string text;
    for (const Choice& choice : choices) {
        Table table({{"schedule"},
                     {"speed", Align::kRight},
                     {"+-", Align::kRight},
                     {"sure", Align::kRight},
                     {"rounds", Align::kRight},
                     {"layers", Align::kRight}});
        for (const Choice::Rank& rank : choice.ranking) {
            const bool base = rank.label == choice.default_label && rank.estimate.error == 0;
            table.add_row(
                {{rank.label + (base                         ? " (default)"
                                : rank.label == choice.label ? " (best)"
                                                             : "")},
                 {tuner::percent_of(rank.estimate)},
                 {fmt::format("{:.1f} %", 100 * rank.estimate.error)},
                 {base || choice.group.source == tuner::Source::kModel ? "-" : tuner::confidence_text(rank.estimate)},
                 {fmt::format("{}", rank.estimate.rounds)},
                 {fmt::format("{}", rank.layers)}});
        }
        text += fmt::format("{}{}\n{}", text.empty() ? "" : "\n", title_of(choice.group), table.text(false));
    }
    return text;
}

std::string best_table(std::span<const Choice> choices) {
    std::string text;
    for (const Choice& choice : choices) {
        Table table({{"layer (MxKxN)"},
                     {"before", Align::kRight},
                     {"+-", Align::kRight},
                     {"after", Align::kRight},
                     {"speed", Align::kRight}});
        double sum = 0;
        for (const tuner::LayerTime& layer : choice.layers) {
            const double ratio = layer.default_ns / layer.best_ns;
            sum += std::log(ratio);
            table.add_row({{shape_text(layer.layer)},
                           {duration(layer.default_ns)},
                           {fmt::format("{:.1f} %", 100 * layer.mad_ns / layer.default_ns)},
                           {duration(layer.best_ns)},
                           {fmt::format("{:.3f}", ratio)}});
        }
        table.add_row({{"geometric mean"},
                       {""},
                       {""},
                       {""},
                       {fmt::format("{:.3f}", std::exp(sum / static_cast<double>(choice.layers.size())))}});
        text += fmt::format("{}{}\n", text.empty() ? "" : "\n", title_of(choice.group));
        text += fmt::format("  {}\n", tuner::verdict_of(choice));
        text += choice.group.source == tuner::Source::kModel ? model_table(choice) : table.text(false);
    }
    return text;
}

std::string best_json(std::span<const Choice> choices) {
    return internal::json_text(choices_json(choices));
}

std::string best_events(std::span<const Choice> choices, const std::string& session) {
    std::string text;
    for (const nlohmann::ordered_json& choice : choices_json(choices)) {
        nlohmann::ordered_json event = {{"event", "result"}, {"session", session}};
        event.update(choice);
        text += event.dump(-1, ' ', true) + "\n";
    }
    return text;
}

std::string difference_table(std::span<const Choice> before, std::span<const Choice> after) {
    std::map<Group, std::pair<const Choice*, const Choice*>> groups;
    for (const Choice& choice : before)
        groups[choice.group].first = &choice;
    for (const Choice& choice : after)
        groups[choice.group].second = &choice;
    std::string text;
    const auto side = [](const Choice* choice) {
        if (!choice) return std::string("no records");
        return choice->is_default ? fmt::format("{} (default)", choice->label)
                                  : fmt::format("{} ({})", choice->label, tuner::percent_of(choice->estimate));
    };
    for (const auto& [group, pair] : groups) {
        const auto& [old_choice, new_choice] = pair;
        if (old_choice && new_choice && old_choice->params == new_choice->params) continue;
        text += fmt::format("{}: {} -> {}\n", title_of(group), side(old_choice), side(new_choice));
    }
    return text;
}

}  // namespace octile::cli
