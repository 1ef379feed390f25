#include "planner/group_costs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace octile {
namespace {

// The model's times by the measured sum.
SideTime measured_or_modelled(SideTime time, const Layer& linear, Precision precision, const PlanOptions& options) {
    if (!options.measurements) return time;
    const std::optional<double> us = options.measurements({.core = options.core->name,
                                                           .threads = options.threads,
                                                           .precision = precision,
                                                           .m = linear.m,
                                                           .k = linear.k,
                                                           .n = linear.n,
                                                           .activation = linear.activation});
    if (!us || !std::isfinite(*us) || *us <= 0) return time;
    const double scale = *us / time.total_us();
    time.input_us *= scale;
    time.gemm_us *= scale;
    time.epilogue_us *= scale;
    time.measured = true;
    return time;
}

// To the nanosecond, so that plans are readable and their sums exact enough.
double rounded(double us) {
    return std::round(us * 1e3) / 1e3;
}

SideCost side_cost(const SideTime& time, double input_us, double conversion_us) {
    return {.input_us = rounded(input_us),
            .gemm_us = rounded(time.gemm_us),
            .epilogue_us = rounded(time.epilogue_us),
            .conversion_us = rounded(conversion_us),
            .bound = time.bound,
            .isa = time.isa,
            .measured = time.measured};
}

}  // namespace

GroupCosts::GroupCosts(const CostModel& model, const PlanOptions& options, std::vector<Layer> linears,
                       GroupSetting setting)
    : linears_(std::move(linears)),
      setting_(std::move(setting)),
      noise_(options.noise),
      floor_us_(options.core->call_us) {
    OCTILE_CHECK_LT(std::size_t{0}, linears_.size());
    setting_.conversion_us.resize(linears_.size());
    const bool int4 = std::any_of(options.forces.begin(), options.forces.end(),
                                  [](const Force& force) { return force.precision == Precision::kInt4; });
    for (const Layer& linear : linears_) {
        const auto time = [&](Precision precision) {
            return measured_or_modelled(model.time(linear, precision), linear, precision, options);
        };
        int8_.push_back(time(Precision::kInt8));
        fp16_.push_back(time(Precision::kFp16));
        if (int4) int4_.push_back(time(Precision::kInt4));
    }
}

const SideTime& GroupCosts::side(std::size_t i, Precision precision) const {
    return precision == Precision::kInt8 ? int8_[i] : precision == Precision::kInt4 ? int4_[i] : fp16_[i];
}

double GroupCosts::with_noise(double us) const {
    return std::max(us * (1 + noise_), us + floor_us_);
}

double GroupCosts::total_us(std::span<const Precision> precisions) const {
    double total = 0;
    bool any_quantized = false, any_fp16 = false;
    for (std::size_t i = 0; i < linears_.size(); ++i) {
        const bool quantized = is_quantized(precisions[i]);
        (quantized ? any_quantized : any_fp16) = true;
        const SideTime& time = side(i, precisions[i]);
        total += quantized ? with_noise(time.gemm_us + time.epilogue_us)
                           : time.gemm_us + time.epilogue_us + setting_.conversion_us[i];
    }
    if (any_quantized) total += int8_input_us() * (1 + noise_);
    if (any_fp16) total += fp16_[0].input_us;
    return total;
}

Reason GroupCosts::reason(std::size_t i, Precision chosen) const {
    const double group = static_cast<double>(linears_.size());
    const double int8_product = int8_[i].gemm_us + int8_[i].epilogue_us;
    const double fp16_product = fp16_[i].gemm_us + fp16_[i].epilogue_us + setting_.conversion_us[i];
    const double int8 = int8_product + int8_input_us() / group, fp16 = fp16_product + fp16_[i].input_us / group;
    const double noisy = with_noise(int8_product) + int8_input_us() / group * (1 + noise_);
    const bool wins = noisy < fp16;
    if (wins != (chosen == Precision::kInt8)) return Reason::kPanelShared;
    if (int8_[i].measured && fp16_[i].measured && std::max(int8, fp16) > std::min(int8, fp16) * (1 + noise_)) {
        return Reason::kMeasuredFaster;
    }
    if (wins) {
        const bool waits = fp16_[i].bound == Bound::kMemory || fp16_[i].bound == Bound::kCache;
        return waits ? Reason::kBandwidthBound : Reason::kComputeBound;
    }
    if (int8 <= with_noise(fp16)) return Reason::kTieKeepsFp16;
    return with_noise(int8_product) < fp16_product ? Reason::kQdqDominates : Reason::kInt8NotFaster;
}

std::vector<Choice> GroupCosts::choose(std::span<const Override> wanted) const {
    OCTILE_CHECK_EQ(wanted.size(), linears_.size());
    std::vector<std::optional<Choice>> fixed;
    for (std::size_t i = 0; i < linears_.size(); ++i)
        fixed.push_back(forced_choice(linears_[i], wanted[i]));

    // All FP16, each by itself with both panels there, all INT8: one of them is the fastest of all combinations. Ties
    // go to the first.
    const auto with = [&](auto&& free_choice) {
        std::vector<Precision> precisions;
        for (std::size_t i = 0; i < linears_.size(); ++i)
            precisions.push_back(fixed[i] ? fixed[i]->precision : free_choice(i));
        return precisions;
    };
    std::vector<Precision> best = with([](std::size_t) { return Precision::kFp16; });
    const auto consider = [&](std::vector<Precision> other) {
        if (total_us(other) < total_us(best)) best = std::move(other);
    };
    if (linears_.size() > 1) {
        consider(with([&](std::size_t i) {
            const double int8 = with_noise(int8_[i].gemm_us + int8_[i].epilogue_us);
            const double fp16 = fp16_[i].gemm_us + fp16_[i].epilogue_us + setting_.conversion_us[i];
            return int8 < fp16 ? Precision::kInt8 : Precision::kFp16;
        }));
    }
    consider(with([](std::size_t) { return Precision::kInt8; }));

    std::vector<Choice> choices;
    for (std::size_t i = 0; i < linears_.size(); ++i) {
        const Choice choice = fixed[i] ? *fixed[i] : Choice{best[i], reason(i, best[i])};
        choices.push_back(within_kernels(linears_[i], choice));
    }
    return choices;
}

std::vector<Cost> GroupCosts::costs(std::span<const Choice> choices) const {
    OCTILE_CHECK_EQ(choices.size(), linears_.size());
    const auto quantized = static_cast<std::size_t>(std::count_if(
        choices.begin(), choices.end(), [](const Choice& choice) { return is_quantized(choice.precision); }));
    // A panel's share: of those that have it, or, on the side that was not taken, of the whole group.
    const auto sharing = [&](Precision chosen, Precision side) {
        const std::size_t same = is_quantized(side) ? quantized : choices.size() - quantized;
        return static_cast<double>(is_quantized(chosen) == is_quantized(side) ? same : choices.size());
    };
    std::vector<Cost> costs;
    costs.reserve(choices.size());
    for (std::size_t i = 0; i < choices.size(); ++i) {
        const SideTime &int8 = int8_[i], &fp16 = fp16_[i];
        const Precision chosen = choices[i].precision;
        const double int8_input = setting_.panel_is_free ? 0 : int8.input_us;
        Cost& cost = costs.emplace_back();
        cost.int8 = side_cost(int8, int8_input / sharing(chosen, Precision::kInt8), 0);
        cost.fp16 = side_cost(fp16, fp16.input_us / sharing(chosen, Precision::kFp16), setting_.conversion_us[i]);
        if (chosen == Precision::kInt4)
            cost.int4 = side_cost(int4_[i], int8_input / sharing(chosen, Precision::kInt4), 0);
        cost.source = int8.measured && fp16.measured   ? CostSource::kMeasured
                      : int8.measured || fp16.measured ? CostSource::kMixed
                                                       : CostSource::kModel;
    }
    return costs;
}

double cost_margin(const Cost& cost, double noise, double floor_us) {
    const double int8 = cost.int8_us().value_or(0), fp16 = cost.fp16_us().value_or(0);
    if (int8 <= 0) return 0;
    return std::round((fp16 / int8 - std::max(1 + noise, 1 + floor_us / int8)) * 1e6) / 1e6;
}

}  // namespace octile
