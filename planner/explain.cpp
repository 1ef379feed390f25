#include "planner/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <optional>

#include "base/join.h"
#include "base/precision_text.h"
#include "base/printable.h"
#include "planner/network.h"
#include "planner/precision.h"

namespace octile {
namespace {

// K*N/(K+N) in six digits, rounded so that as a threshold it does what is said of it: it is reached, or no larger one
// is.
std::string printed_ratio(std::int64_t k, std::int64_t n, bool reached) {
    const double ratio = ratio_of(k, n), step = std::pow(10, std::floor(std::log10(ratio)) - 5);
    std::string text = fmt::format("{:.6g}", ratio);
    const auto holds = [&] {
        const double threshold = std::strtod(text.c_str(), nullptr);
        return reached ? reaches_ratio(k, n, threshold) : !reaches_ratio(k, n, std::nextafter(threshold, HUGE_VAL));
    };
    if (!holds()) text = fmt::format("{:.6g}", ratio + (reached ? -step : step));
    return text;
}

using internal::capitals_of;
using internal::quote;

Result<std::size_t> find_layer(const Network& network, std::string_view name) {
    std::vector<std::size_t> found;
    for (std::size_t row = 0; row < network.rows.size(); ++row) {
        const FusedRow& fused = network.rows[row];
        if (std::find(fused.replaces.begin(), fused.replaces.end(), name) != fused.replaces.end()) found.push_back(row);
    }
    if (found.size() == 1) return found[0];
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("explain: expected the name of one layer, found {}, which {}", quote(name),
                              found.empty() ? std::string("none has") : fmt::format("{} have", found.size())));
}

// Where verdict(m) changes, from 1 to kMaxExplainedRows. Small M are all looked at, larger ones in steps of a tenth,
// and what changes in between is found by halving.
std::vector<PrecisionRange> ranges_of(const std::function<Choice(std::int64_t)>& verdict) {
    constexpr std::int64_t kEvery = 64, kStep = 10;
    std::vector<PrecisionRange> ranges = {{1, verdict(1).precision, verdict(1).reason}};
    for (std::int64_t m = 1; m < kMaxExplainedRows;) {
        const std::int64_t next = std::min(m < kEvery ? m + 1 : m + m / kStep, kMaxExplainedRows);
        if (verdict(next).precision != ranges.back().precision) {
            std::int64_t low = m, high = next;
            while (high - low > 1) {
                const std::int64_t middle = low + (high - low) / 2;
                (verdict(middle).precision == ranges.back().precision ? low : high) = middle;
            }
            const Choice choice = verdict(high);
            ranges.push_back({high, choice.precision, choice.reason});
        }
        m = next;
    }
    return ranges;
}

std::string_view in_words(Reason reason) {
    switch (reason) {
        case Reason::kRatioGeMin:
            return "its ratio K*N/(K+N) reaches the threshold: enough products for each value that is quantized";
        case Reason::kRatioLtMin:
            return "its ratio K*N/(K+N) is below the threshold: too few products for each value that is quantized";
        case Reason::kForced:
            return "a --force pattern matches it, whatever the policy says";
        case Reason::kSkipped:
            return "the --skip pattern matches it, or whoever quantized the network left it out, whatever the policy "
                   "says";
        case Reason::kPrequantized:
            return "its weights came as int8, whatever the policy says";
        case Reason::kNoKernel:
            return "it would be INT8, but K is beyond what int32 sums hold exactly";
        case Reason::kNotALinear:
            return "it is no linear: its parameters are never quantized";
        case Reason::kComputeBound:
            return "FP16 spends its time multiplying, and INT8 multiplies more per cycle";
        case Reason::kBandwidthBound:
            return "FP16 waits for its weights, and INT8 weights have half the bytes";
        case Reason::kPanelShared:
            return "alone it would have the other precision, but the linears that share its input have this one, and "
                   "preparing the input twice costs more";
        case Reason::kQdqDominates:
            return "its product is faster in INT8, but quantizing the input costs more than that saves";
        case Reason::kInt8NotFaster:
            return "its product is not faster in INT8";
        case Reason::kTieKeepsFp16:
            return "the difference is within the noise, and a tie stays FP16";
        case Reason::kMeasuredFaster:
            return "it was measured on the core, and this precision was faster";
        case Reason::kWithinBudget:
            return "its error fits into the budget";
        case Reason::kAccuracyBudget:
            return "its error does not fit into the budget, or none is known";
    }
    return "";
}

std::string_view in_words(Bound bound) {
    switch (bound) {
        case Bound::kCompute:
            return "multiplying";
        case Bound::kLoads:
            return "loads from L1";
        case Bound::kCache:
            return "bytes from a cache";
        case Bound::kMemory:
            return "bytes from memory";
    }
    return "";
}

std::string time(double us) {
    if (us < 1e3) return fmt::format("{:.2f} us", us);
    if (us < 1e6) return fmt::format("{:.2f} ms", us * 1e-3);
    return fmt::format("{:.2f} s", us * 1e-6);
}

std::string side_line(std::string_view name, const SideCost& cost) {
    return fmt::format("  {:<6}{:>12}{:>12}{:>12}{:>12}{:>12}   {}, {}{}\n", name, time(cost.input_us),
                       time(cost.gemm_us), time(cost.epilogue_us), time(cost.conversion_us), time(cost.total_us()),
                       name_of(cost.isa), in_words(cost.bound), cost.measured ? ", measured" : "");
}

std::string cost_text(const Explanation& explanation, const Plan& plan) {
    const Cost& cost = explanation.layer.cost;
    std::string text = fmt::format("\nTime on {}, {} thread{}:\n  {:<6}{:>12}{:>12}{:>12}{:>12}{:>12}   {}\n",
                                   plan.core, plan.threads, plan.threads == 1 ? "" : "s", "", "input", "GEMM",
                                   "epilogue", "conversion", "total", "level, and what the GEMM's time goes into");
    text += side_line("INT8", *cost.int8) + side_line("FP16", *cost.fp16);
    if (cost.int4) text += side_line("INT4", *cost.int4);
    const double int8 = *cost.int8_us(), fp16 = *cost.fp16_us(),
                 count = static_cast<double>(explanation.layer.layer.count);
    text += fmt::format("  INT8 takes {} {} than FP16 ({:.2f} times as fast)", time(std::abs(fp16 - int8)),
                        int8 <= fp16 ? "less" : "more", cost.gain().value_or(0));
    if (count > 1) text += fmt::format(", {} in all {} copies", time(std::abs(fp16 - int8) * count), count);
    text += fmt::format(".\n  Less than {:.0f} % is noise; {}.\n", plan.noise * 100,
                        cost.source == CostSource::kMeasured ? "both were measured"
                        : cost.source == CostSource::kMixed  ? "one side was measured, the other is the model's"
                                                             : "both are the model's");
    return text;
}

std::string panel_text(const Explanation& explanation) {
    const PlannedLayer& layer = explanation.layer;
    switch (layer.panel) {
        case InputPanel::kNone:
            break;
        case InputPanel::kOwn:
            if (explanation.shares_with.empty()) return "Its input is quantized for it alone.\n";
            return fmt::format("Its input is quantized once, for {} too.\n",
                               internal::join(explanation.shares_with, ", "));
        case InputPanel::kShared:
            return fmt::format("Its input is the one that {} has quantized.\n", layer.panel_from);
        case InputPanel::kNorm:
            return fmt::format("Its input comes quantized from {}: one pass for the norm and that.\n",
                               layer.panel_from);
        case InputPanel::kChain:
            return fmt::format("Its input comes as INT8 from {}, whose scale is fixed.\n", layer.panel_from);
    }
    if (explanation.shares_with.empty()) return "";
    return fmt::format("It reads the same input as {}.\n", internal::join(explanation.shares_with, ", "));
}

std::string flip_text(const Explanation& explanation, const Plan& plan) {
    const PlannedLayer& layer = explanation.layer;
    const std::int64_t k = layer.layer.k, n = layer.layer.n;
    std::string text = "\nWhat would flip it:\n";
    switch (layer.reason) {
        case Reason::kForced:
            return text + "  Another --force, or none.\n";
        case Reason::kSkipped:
            return text + "  No --skip that matches it, or --force int8.\n";
        case Reason::kPrequantized:
            return text + "  --force fp16.\n";
        case Reason::kNoKernel:
            return text + fmt::format("  K of at most {}.\n", kMaxReduction);
        case Reason::kNotALinear:
            return text + "  Nothing.\n";
        case Reason::kWithinBudget:
        case Reason::kAccuracyBudget:
            return text + "  Another error budget.\n";
        case Reason::kRatioGeMin:
            return text + fmt::format("  A --min-ratio above {}. M does not enter.\n", printed_ratio(k, n, false));
        case Reason::kRatioLtMin: {
            text += fmt::format("  A --min-ratio of at most {}", printed_ratio(k, n, true));
            // N with K*N/(K+N) = r is r*K/(K-r).
            if (static_cast<double>(k) > plan.min_ratio) {
                const double needed =
                    plan.min_ratio * static_cast<double>(k) / (static_cast<double>(k) - plan.min_ratio);
                text += fmt::format(", or N of at least {:.0f} instead of {}", std::ceil(needed), n);
            }
            return text + ". M does not enter.\n";
        }
        default:
            break;
    }
    if (explanation.ranges.size() == 1) {
        return text +
               fmt::format("  No M: it is {} from M = 1 to {}.\n", capitals_of(layer.precision), kMaxExplainedRows);
    }
    constexpr std::size_t kMost = 8;
    for (std::size_t i = 0; i < std::min(explanation.ranges.size(), kMost); ++i) {
        const PrecisionRange& range = explanation.ranges[i];
        const std::int64_t to = i + 1 < explanation.ranges.size() ? explanation.ranges[i + 1].from_m - 1 : 0;
        const std::string rows = to == 0              ? fmt::format("M = {} and more", range.from_m)
                                 : to == range.from_m ? fmt::format("M = {}", range.from_m)
                                                      : fmt::format("M = {} to {}", range.from_m, to);
        const bool here = layer.layer.m >= range.from_m && (to == 0 || layer.layer.m <= to);
        text += fmt::format("  {:<24} {} {}{}\n", rows, capitals_of(range.precision), name_of(range.reason),
                            here ? "  <- M here" : "");
    }
    if (explanation.ranges.size() > kMost) {
        text +=
            fmt::format("  and {} more changes up to M = {}\n", explanation.ranges.size() - kMost, kMaxExplainedRows);
    }
    return text;
}

}  // namespace

Result<Explanation> explain(const Model& model, const PlanOptions& options, std::string_view layer) {
    const Result<Plan> plan = make_plan(model, options);
    if (!plan.ok()) return plan.status();
    const Result<Network> network = prepare(model);
    if (!network.ok()) return network.status();
    const Result<std::size_t> row = find_layer(network.value(), layer);
    if (!row.ok()) return row.status();
    Explanation explanation{.layer = plan->layers[row.value()], .shares_with = {}, .ranges = {}};
    if (explanation.layer.layer.op != Op::kLinear) return explanation;

    const PanelGroup& group = network->groups[network->group_of[row.value()]];
    std::size_t place = 0;
    for (std::size_t i = 0; i < group.linears.size(); ++i) {
        if (group.linears[i] == row.value()) {
            place = i;
        } else {
            explanation.shares_with.push_back(plan->layers[group.linears[i]].layer.name);
        }
    }
    if (options.policy != Policy::kCost) {
        explanation.ranges = {{1, explanation.layer.precision, explanation.layer.reason}};
        return explanation;
    }
    // Another M for the layer and those that share its input; the rest of the network stays as it is.
    Result<Overrides> overrides = Overrides::compile(options);
    if (!overrides.ok()) return overrides.status();
    const std::vector<Override> wanted = match_all(overrides.value(), network.value());
    std::vector<Override> group_wanted;
    for (const std::size_t member : group.linears)
        group_wanted.push_back(wanted[member]);
    const std::vector<Choice> choices = choose_all(network.value(), options, wanted);
    const CostModel costs(*options.core, options.threads);
    explanation.ranges = ranges_of([&](std::int64_t m) {
        return group_costs(network.value(), group, costs, options, choices, m).choose(group_wanted)[place];
    });
    return explanation;
}

std::string to_text(const Explanation& explanation, const Plan& plan) {
    const PlannedLayer& planned = explanation.layer;
    const Layer& layer = planned.layer;
    std::string text = fmt::format("{}: {}, M = {}{}\n", layer.name, fused_form(planned), layer.m,
                                   layer.count > 1 ? fmt::format(", {} times", layer.count) : "");
    if (planned.replaces.size() > 1) text += fmt::format("It replaces {}.\n", internal::join(planned.replaces, ", "));
    if (!layer.residual.empty()) text += fmt::format("It adds the output of {} to its own.\n", layer.residual);
    if (!planned.gate.empty()) text += fmt::format("It multiplies its output by that of {}.\n", planned.gate);
    text += fmt::format("{} by policy {}, {}: {}.\n", capitals_of(planned.precision), name_of(plan.policy),
                        name_of(planned.reason), in_words(planned.reason));
    if (planned.ratio) {
        text += fmt::format("K*N/(K+N) = {:.6g}; policy ratio takes INT8 from {:.6g} on.\n", *planned.ratio,
                            plan.min_ratio);
    }
    text += panel_text(explanation);
    if (planned.error) {
        text += fmt::format("Error in INT8: SQNR {:.1f} dB, cosine {:.6f}{}.\n", planned.error->sqnr_db,
                            planned.error->cosine,
                            planned.error->smoothquant_alpha
                                ? fmt::format(", smoothed with alpha {:.2f}", *planned.error->smoothquant_alpha)
                                : "");
    }
    if (planned.cost.int8 && planned.cost.fp16) text += cost_text(explanation, plan);
    return text + flip_text(explanation, plan);
}

}  // namespace octile
