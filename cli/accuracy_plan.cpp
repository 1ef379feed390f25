#include "cli/accuracy_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "base/printable.h"
#include "cli/plan_table.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "inputs/checkpoint_network.h"
#include "inputs/messages.h"

namespace octile::cli {
namespace {

constexpr std::size_t kShownSets = 16;     // of the frontier, in a table
constexpr std::size_t kStoredSets = 64;    // in a plan
constexpr std::size_t kShownOutliers = 4;  // of a layer

// The one place that says what a layer gains by INT8: microseconds on the plan's core, or, where there is none,
// multiply-accumulates. Each counts as often as the network holds the layer.
double saved_time(const PlannedLayer& planned) {
    const Layer& layer = planned.layer;
    const double count = static_cast<double>(layer.count);
    if (planned.cost.int8 && planned.cost.fp16)
        return count * (planned.cost.fp16->total_us() - planned.cost.int8->total_us());
    return count * static_cast<double>(layer.m) * static_cast<double>(layer.k) * static_cast<double>(layer.n);
}

std::string saved_text(double saved, bool has_times) {
    return has_times ? time_text(saved) : fmt::format("{:.3f} GMAC", saved * 1e-9);
}

std::string db_text(double db) {
    return std::isfinite(db) ? fmt::format("{:.1f}", db) : "inf";
}

struct Candidate {
    std::size_t measured;  // of the measurements
    double saved;
};

// At most `most` indices of n, evenly spread, the first and the last among them.
std::vector<std::size_t> spread(std::size_t n, std::size_t most) {
    std::vector<std::size_t> picked;
    const std::size_t count = std::min(n, most);
    for (std::size_t i = 0; i < count; ++i)
        picked.push_back(count == 1 ? 0 : i * (n - 1) / (count - 1));
    return picked;
}

std::string outliers_text(const std::vector<OutlierChannel>& outliers) {
    std::string text;
    for (std::size_t i = 0; i < std::min(outliers.size(), kShownOutliers); ++i) {
        const OutlierChannel& outlier = outliers[i];
        text += fmt::format("{}{} ({:.0f}x{})", text.empty() ? "" : ", ", outlier.channel, outlier.ratio,
                            outlier.massive ? ", massive" : "");
    }
    if (outliers.size() > kShownOutliers) text += fmt::format(", {} more", outliers.size() - kShownOutliers);
    return text;
}

Result<double> budget_of(const AccuracyArguments& arguments) {
    const auto wrong = [](std::string_view option, std::string_view expected, double found) {
        return Status(StatusCode::kInvalidArgument, fmt::format("{}: expected {}, found {}", option, expected, found));
    };
    if (arguments.max_error) {
        if (!std::isfinite(*arguments.max_error) || *arguments.max_error < 0)
            return wrong("--max-error", "a finite number >= 0", *arguments.max_error);
        return energy_of_error(*arguments.max_error);
    }
    const double db = arguments.min_sqnr.value_or(kDefaultMinSqnr);
    if (!std::isfinite(db) || std::fabs(db) > 1000) return wrong("--min-sqnr", "decibels from -1000 to 1000", db);
    return energy_of_sqnr(db);
}

}  // namespace

void add_accuracy_options(CLI::App& command, AccuracyArguments& arguments) {
    command
        .add_option("--calibration", arguments.calibration,
                    "Policy accuracy: inputs of the linears, a folder of <layer>.npy or an .npz; else synthetic ones")
        ->type_name("PATH");
    CLI::Option* const min_sqnr =
        command
            .add_option(
                "--min-sqnr", arguments.min_sqnr,
                fmt::format("Policy accuracy: budget over the network, in dB; {} unless given", kDefaultMinSqnr))
            ->type_name("DB");
    command.add_option("--max-error", arguments.max_error, "Policy accuracy: the same budget as a relative RMS error")
        ->type_name("E")
        ->excludes(min_sqnr);
    command
        .add_option("--smooth-quant", arguments.smooth_quant,
                    "SmoothQuant: auto (alpha searched), off, or alpha; PATH: as --calibration PATH")
        ->type_name("auto|off|ALPHA|PATH")
        ->capture_default_str();
    command.add_option("--calibration-rows", arguments.rows, "Policy accuracy: most rows that a layer is measured on")
        ->check(CLI::Range(1, 1 << 20))
        ->type_name("N")
        ->capture_default_str();
}

Result<AccuracySettings> parse_accuracy_options(const AccuracyArguments& arguments) {
    AccuracySettings settings;
    settings.options.rows = arguments.rows;
    const std::string& smoothing = arguments.smooth_quant;
    std::string calibration = arguments.calibration;
    std::error_code ignored;
    if (smoothing == "off") {
        settings.options.smoothing = Smoothing::kOff;
    } else if (smoothing != "auto" && std::filesystem::exists(smoothing, ignored)) {
        if (!calibration.empty()) {
            return Status(StatusCode::kInvalidArgument,
                          "--smooth-quant: expected auto, off or an alpha beside --calibration, found a path");
        }
        calibration = smoothing;
    } else if (smoothing != "auto") {
        settings.options.smoothing = Smoothing::kAlpha;
        double& alpha = settings.options.alpha;
        const char* const end = smoothing.data() + smoothing.size();
        const auto [stop, error] = std::from_chars(smoothing.data(), end, alpha);
        if (error != std::errc() || stop != end || !(alpha >= 0 && alpha <= 1)) {
            return Status(
                StatusCode::kInvalidArgument,
                fmt::format("--smooth-quant: expected auto, off, an alpha from 0 to 1 or calibration data, found {}",
                            internal::quote(smoothing)));
        }
    }
    const Result<double> budget = budget_of(arguments);
    if (!budget.ok()) return budget.status();
    settings.budget = budget.value();
    if (calibration.empty()) return settings;
    Result<Activations> activations = Activations::open(calibration);
    if (!activations.ok()) return activations.status();
    settings.activations = std::move(activations).value();
    return settings;
}

namespace {

// Everything of one study on its way into errors, frontier and tables.
class Study {
  public:
    Study(const LinearTensors& tensors, const PlanOptions& options, const AccuracySettings& settings,
          std::vector<LayerAccuracy> measured)
        : tensors_(tensors.layers), options_(options), settings_(settings), measured_(std::move(measured)) {}

    Result<AccuracyStudy> run(const Model& model) {
        // With the threshold at 0 the policy decides INT8 wherever nothing else decides, and costs are those of INT8.
        PlanOptions everything = options_;
        everything.policy = Policy::kRatio;
        everything.min_ratio = 0;
        everything.errors.clear();
        const Result<Plan> plan = make_plan(model, everything);
        if (!plan.ok()) return plan.status();
        for (const PlannedLayer& planned : plan->layers)
            planned_[planned.layer.name] = &planned;
        collect();
        const Frontier frontier = find_frontier(items_);
        const BudgetSet* const chosen = best_within(frontier, settings_.budget - fixed_energy_);
        chosen_ = unfit_;
        if (chosen != nullptr) {
            for (const std::size_t item : chosen->items)
                chosen_[candidates_[item].measured] = true;
        }
        AccuracyStudy study;
        if (chosen == nullptr) {
            study.notes.push_back(fmt::format(
                "layers that are INT8 in any case reach {} dB, which is beyond the budget of {} dB by themselves",
                db_text(sqnr_of_energy(fixed_energy_)), db_text(sqnr_of_energy(settings_.budget))));
        }
        note_unused(study);
        note_unfit(study);
        note_int4(study);
        fill_errors(study);
        fill_frontier(frontier, study);
        const Table layers = layer_table(), sets = frontier_table(frontier, chosen);
        const std::string words = budget_text(frontier, chosen);
        study.table = fmt::format("\nerror of each linear in INT8, on {}\n{}\n{}\n{}", rows_text(), layers.text(false),
                                  words, sets.text(false));
        study.markdown = fmt::format("\nError of each linear in INT8, on {}\n\n{}\n{}\n\n{}", rows_text(),
                                     layers.markdown(), words, sets.markdown());
        return study;
    }

  private:
    const Layer& layer_of(const LayerAccuracy& measured) const { return tensors_[measured.row].layer; }

    double energy_of(const LayerAccuracy& measured) const {
        return static_cast<double>(layer_of(measured).count) * measured.error().energy;
    }

    // Which linears the budget decides about, and what those that are INT8 in any case use of it.
    void collect() {
        unfit_.assign(measured_.size(), false);
        for (std::size_t i = 0; i < measured_.size(); ++i) {
            const PlannedLayer& planned = *planned_.at(layer_of(measured_[i]).name);
            total_ += std::max(saved_time(planned), 0.0);
            has_times_ |= planned.cost.int8.has_value();
            unfit_[i] = planned.reason == Reason::kRatioGeMin && measured_[i].needs_int8();
            if (planned.reason == Reason::kRatioGeMin && !unfit_[i]) {
                candidates_.push_back({i, saved_time(planned)});
                items_.push_back({saved_time(planned), energy_of(measured_[i])});
            } else if (planned.precision == Precision::kInt4) {
                ++int4_;
            } else if (planned.precision == Precision::kInt8) {
                fixed_energy_ += energy_of(measured_[i]);
                ++fixed_;
            }
        }
    }

    void note_unused(AccuracyStudy& study) const {
        std::size_t unknown = 0;
        std::string first;
        for (const std::string& name : settings_.activations.names()) {
            if (std::any_of(measured_.begin(), measured_.end(),
                            [&](const LayerAccuracy& measured) { return layer_of(measured).name == name; }))
                continue;
            if (unknown++ == 0) first = name;
        }
        if (unknown > 0) {
            study.notes.push_back(fmt::format("--calibration: {} array{} named like no linear, {} among them", unknown,
                                              unknown == 1 ? " is" : "s are", internal::quote(first)));
        }
    }

    void note_int4(AccuracyStudy& study) const {
        if (int4_ == 0) return;
        study.notes.push_back(fmt::format(
            "{} linear{} INT4 by --force: what that costs in accuracy is not measured, and not part of the budget",
            int4_, int4_ == 1 ? " is" : "s are"));
    }

    void note_unfit(AccuracyStudy& study) const {
        const auto count = std::count(unfit_.begin(), unfit_.end(), true);
        if (count == 0) return;
        const auto first = static_cast<std::size_t>(std::find(unfit_.begin(), unfit_.end(), true) - unfit_.begin());
        const LayerAccuracy& measured = measured_[first];
        study.notes.push_back(
            fmt::format("{} linear{} INT8 in any case, as FP16 is further off, {} among them ({})", count,
                        count == 1 ? " is" : "s are", internal::quote(layer_of(measured).name),
                        measured.fp16 ? fmt::format("FP16 {} dB", db_text(measured.fp16->sqnr_db())) : "beyond 65504"));
    }

    void fill_errors(AccuracyStudy& study) const {
        for (std::size_t i = 0; i < measured_.size(); ++i) {
            const LayerAccuracy& measured = measured_[i];
            LayerError error{.sqnr_db = std::min(measured.error().sqnr_db(), kMostDb),
                             .cosine = measured.error().cosine(),
                             .smoothquant_alpha = {},
                             .int8 = chosen_[i]};
            if (measured.smooth) {
                error.smoothquant_alpha = measured.alpha;
                study.smoothing[layer_of(measured).name] = measured.scales;
            }
            study.errors[layer_of(measured).name] = error;
        }
    }

    void fill_frontier(const Frontier& frontier, AccuracyStudy& study) const {
        if (!has_times_) return;
        for (const std::size_t i : spread(frontier.sets.size(), kStoredSets)) {
            const BudgetSet& set = frontier.sets[i];
            const double energy = set.energy + fixed_energy_;
            if (!(energy > 0)) continue;  // no error: no decibels
            study.frontier.push_back({static_cast<std::int64_t>(set.items.size()) + fixed_, set.saved,
                                      std::min(sqnr_of_energy(energy), kMostDb)});
        }
    }

    Table layer_table() const {
        Table table({{"layer"},
                     {"K", Align::kRight},
                     {"N", Align::kRight},
                     {"SQNR dB", Align::kRight},
                     {"cosine", Align::kRight},
                     {"smoothed dB", Align::kRight},
                     {"cosine", Align::kRight},
                     {"alpha", Align::kRight},
                     {"saves", Align::kRight},
                     {"precision"},
                     {"outlier channels"}});
        for (std::size_t i = 0; i < measured_.size(); ++i) {
            const LayerAccuracy& measured = measured_[i];
            const Layer& layer = layer_of(measured);
            const PlannedLayer& planned = *planned_.at(layer.name);
            const bool fixed = planned.reason != Reason::kRatioGeMin;
            const Precision precision = fixed ? planned.precision : chosen_[i] ? Precision::kInt8 : Precision::kFp16;
            table.add_row({{layer.name},
                           {fmt::format("{}", layer.k)},
                           {fmt::format("{}", layer.n)},
                           {db_text(measured.plain.sqnr_db())},
                           {fmt::format("{:.6f}", measured.plain.cosine())},
                           {measured.smoothed ? db_text(measured.smoothed->sqnr_db()) : "-"},
                           {measured.smoothed ? fmt::format("{:.6f}", measured.smoothed->cosine()) : "-"},
                           {measured.smooth ? fmt::format("{:.2f}", measured.alpha) : "-"},
                           {saved_text(saved_time(planned), has_times_)},
                           {std::string(name_of(precision))},
                           {outliers_text(measured.outliers)}});
        }
        return table;
    }

    Table frontier_table(const Frontier& frontier, const BudgetSet* chosen) const {
        Table table({{"INT8 linears", Align::kRight},
                     {"saves", Align::kRight},
                     {"of all", Align::kRight},
                     {"SQNR dB", Align::kRight},
                     {"relative error", Align::kRight},
                     {""}});
        std::vector<std::size_t> shown = spread(frontier.sets.size(), kShownSets);
        if (chosen != nullptr) shown.push_back(static_cast<std::size_t>(chosen - frontier.sets.data()));
        std::sort(shown.begin(), shown.end());
        shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
        for (const std::size_t i : shown) {
            const BudgetSet& set = frontier.sets[i];
            const double energy = set.energy + fixed_energy_;
            table.add_row({{fmt::format("{}", set.items.size() + static_cast<std::size_t>(fixed_))},
                           {saved_text(set.saved, has_times_)},
                           {total_ > 0 ? fmt::format("{:.1f} %", 100 * set.saved / total_) : "-"},
                           {db_text(sqnr_of_energy(energy))},
                           {fmt::format("{:.4f}", std::sqrt(energy))},
                           {&set == chosen ? "<- chosen" : ""}});
        }
        return table;
    }

    std::string rows_text() const {
        const auto calibrated = std::count_if(measured_.begin(), measured_.end(),
                                              [](const LayerAccuracy& measured) { return measured.calibrated; });
        const auto synthetic = static_cast<std::ptrdiff_t>(measured_.size()) - calibrated;
        if (synthetic == 0) return fmt::format("up to {} rows of calibration data", settings_.options.rows);
        if (calibrated == 0) return fmt::format("{} synthetic rows", settings_.options.rows);
        return fmt::format("up to {} rows: {} linears on calibration data, {} on synthetic rows",
                           settings_.options.rows, calibrated, synthetic);
    }

    std::string budget_text(const Frontier& frontier, const BudgetSet* chosen) const {
        const double energy = fixed_energy_ + (chosen ? chosen->energy : 0);
        std::string text = fmt::format("budget {} dB (relative error {:.4g}): {} of {} linears INT8, {} dB",
                                       db_text(sqnr_of_energy(settings_.budget)), std::sqrt(settings_.budget),
                                       (chosen ? chosen->items.size() : 0) + static_cast<std::size_t>(fixed_),
                                       measured_.size(), db_text(sqnr_of_energy(energy)));
        if (chosen != nullptr) text += fmt::format(", saves {}", saved_text(chosen->saved, has_times_));
        text += frontier.bound > 0 ? fmt::format("; no other choice saves over {} more within the budget\n",
                                                 saved_text(frontier.bound, has_times_))
                                   : "; no other choice saves more within the budget\n";
        if (!has_times_) text += "saved time is taken for proportional to M*K*N: --core gives times\n";
        return text;
    }

    static constexpr double kMostDb = 999;  // stands for no noise at all where a number has to be finite

    const std::vector<LinearTensor>& tensors_;
    const PlanOptions& options_;
    const AccuracySettings& settings_;
    std::vector<LayerAccuracy> measured_;
    std::unordered_map<std::string, const PlannedLayer*> planned_;
    std::vector<Candidate> candidates_;
    std::vector<BudgetItem> items_;  // one for each candidate
    std::vector<bool> chosen_;       // of measured_
    std::vector<bool> unfit_;        // of measured_: for FP16
    double fixed_energy_ = 0;
    std::int64_t fixed_ = 0;
    std::int64_t int4_ = 0;  // linears
    double total_ = 0;
    bool has_times_ = false;
};

}  // namespace

std::vector<std::optional<LayerError>> errors_of(const Model& model, const AccuracyStudy& study) {
    std::vector<std::optional<LayerError>> errors;
    for (const Layer& layer : model.layers) {
        const auto found = study.errors.find(layer.name);
        errors.push_back(found == study.errors.end() ? std::nullopt : std::optional(found->second));
    }
    return errors;
}

bool needs_study(const CLI::App& command, const AccuracyArguments& arguments, const PlanOptions& options) {
    if (options.policy == Policy::kAccuracy) return true;
    return command.count("--smooth-quant") + command.count("--calibration") > 0 && arguments.smooth_quant != "off";
}

Result<AccuracyStudy> study_accuracy(const Checkpoint& checkpoint, const LinearTensors& tensors,
                                     const PlanOptions& options, const AccuracySettings& settings) {
    const Result<IsaSet> isas = usable_isas();
    if (!isas.ok()) return isas.status();
    Model model{.name = display(checkpoint.path().stem()), .layers = {}};
    for (const LinearTensor& tensor : tensors.layers)
        model.layers.push_back(tensor.layer);
    Progress progress("measuring", 1);
    Result<std::vector<LayerAccuracy>> measured =
        measure_accuracy(tensors, settings.activations, settings.options, isas.value(),
                         [&](double share, std::string_view layer) { progress.update(share, layer); });
    if (!measured.ok()) {
        return Status(measured.status().code(),
                      fmt::format("{}: {}", display(checkpoint.path()), measured.status().message()));
    }
    return Study(tensors, options, settings, std::move(measured).value()).run(model);
}

Result<AccuracyStudy> study_network(const std::filesystem::path& file, const ReadOptions& read,
                                    const PlanOptions& options, const AccuracySettings& settings) {
    const Result<std::optional<Checkpoint>> weights = open_weights(file, read);
    if (!weights.ok()) return weights.status();
    if (!weights.value()) {
        const std::string_view option = options.policy == Policy::kAccuracy ? "--policy accuracy" : "--smooth-quant";
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("{}: expected weights (safetensors or GGUF), found {}", option, display(file)));
    }
    const Result<CheckpointNetwork> network = read_network(*weights.value(), read);
    if (!network.ok()) return network.status();
    return study_accuracy(*weights.value(), network->tensors, options, settings);
}

}  // namespace octile::cli
