#include "cli/left_out_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/output.h"

namespace octile::cli {
namespace {

// From this share of the parameters on, what is left out is worth a warning.
constexpr double kWorthWarning = 0.01;

struct Sum {
    std::int64_t tensors = 0, parameters = 0, bytes = 0;
    const LeftOut* largest = nullptr;

    void add(const LeftOut& left) {
        ++tensors;
        parameters += left.parameters;
        bytes += left.bytes;
        const auto size = [](const LeftOut& one) { return std::pair(one.parameters, one.bytes); };
        if (!largest || size(left) > size(*largest)) largest = &left;
    }
};

template <typename Counts>
Sum sum_of(const Plan& plan, Counts counts) {
    Sum sum;
    for (const LeftOut& left : plan.left_out)
        if (counts(left.reason)) sum.add(left);
    return sum;
}

bool is_left(LeftOutReason reason) {
    return reason != LeftOutReason::kTable;
}

// By reason, the most parameters first.
std::vector<std::pair<LeftOutReason, Sum>> by_reason(const Plan& plan) {
    std::map<LeftOutReason, Sum> sums;
    for (const LeftOut& left : plan.left_out)
        if (is_left(left.reason)) sums[left.reason].add(left);
    std::vector<std::pair<LeftOutReason, Sum>> sorted(sums.begin(), sums.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
        return std::pair(a.second.parameters, a.second.bytes) > std::pair(b.second.parameters, b.second.bytes);
    });
    return sorted;
}

double share_of(const Plan& plan, const Sum& sum) {
    return plan.parameters == 0 ? 0 : static_cast<double>(sum.parameters) / static_cast<double>(plan.parameters);
}

std::string share_text(const Plan& plan, const Sum& sum) {
    const double percent = 100 * share_of(plan, sum);
    return percent > 0 && percent < 0.1 ? "under 0.1 %" : fmt::format("{:.1f} %", percent);
}

std::string bytes_text(std::int64_t bytes) {
    const double value = static_cast<double>(bytes);
    if (value < 1e3) return fmt::format("{} B", bytes);
    if (value < 1e6) return fmt::format("{:.1f} kB", value * 1e-3);
    if (value < 1e9) return fmt::format("{:.1f} MB", value * 1e-6);
    return fmt::format("{:.1f} GB", value * 1e-9);
}

std::string tensors_text(const Plan& plan, const Sum& sum) {
    return fmt::format("{} tensor{}, {}, {} of the parameters", sum.tensors, sum.tensors == 1 ? "" : "s",
                       bytes_text(sum.bytes), share_text(plan, sum));
}

}  // namespace

std::string left_out_warning(const Plan& plan) {
    const auto not_users = [](LeftOutReason reason) { return is_left(reason) && reason != LeftOutReason::kUser; };
    const Sum sum = sum_of(plan, not_users);
    if (share_of(plan, sum) <= kWorthWarning) return "";
    std::string reasons;
    for (const auto& [reason, part] : by_reason(plan)) {
        if (reason == LeftOutReason::kUser || part.parameters == 0) continue;
        reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ", name_of(reason), share_text(plan, part));
    }
    return fmt::format("warning: {}{}{} of the parameters are left out ({}), the largest {}", plan.model,
                       plan.model.empty() ? "" : ": ", share_text(plan, sum), reasons, sum.largest->tensor);
}

std::string left_out_warnings(std::span<const Plan> plans, std::size_t policies) {
    std::string text;
    for (std::size_t i = 0; i < plans.size(); i += policies) {
        const std::string warning = left_out_warning(plans[i]);
        if (!warning.empty()) text += warning + "\n";
    }
    return text;
}

void warn_left_out(std::span<const Plan> plans) {
    std::string last;
    for (const Plan& plan : plans) {
        const std::string warning = left_out_warning(plan);
        if (!warning.empty() && warning != last) write_line(fmt::format("octile: {}", warning));
        last = warning;
    }
}

std::string left_out_text(const Plan& plan) {
    if (plan.parameters == 0 && plan.left_out.empty()) return "";
    const Sum left = sum_of(plan, is_left);
    const Sum tables = sum_of(plan, [](LeftOutReason reason) { return !is_left(reason); });
    std::string text;
    if (tables.tensors > 0) {
        const bool assumed =
            std::any_of(plan.left_out.begin(), plan.left_out.end(), [](const LeftOut& one) { return one.assumed; });
        text += fmt::format("tables that are looked up{}: {}, the largest {}\n",
                            assumed ? " (assumed, by their names)" : "", tensors_text(plan, tables),
                            tables.largest->tensor);
    }
    return text + (left.tensors == 0 ? "left out: nothing\n" : fmt::format("left out: {}\n", tensors_text(plan, left)));
}

Table left_out_table(const Plan& plan) {
    Table table({{"left out"},
                 {"tensors", Align::kRight},
                 {"bytes", Align::kRight},
                 {"parameters", Align::kRight},
                 {"the largest"},
                 {"is"}});
    for (const auto& [reason, sum] : by_reason(plan)) {
        table.add_row({{std::string(name_of(reason))},
                       {fmt::format("{}", sum.tensors)},
                       {bytes_text(sum.bytes)},
                       {share_text(plan, sum)},
                       {sum.largest->tensor},
                       {sum.largest->text}});
    }
    return table;
}

std::string left_out_summary(const Plan& plan, bool markdown) {
    const std::string words = left_out_text(plan);
    const Table table = left_out_table(plan);
    if (table.rows().empty()) return words;
    return markdown ? fmt::format("{}\n{}", words, table.markdown()) : words + table.text(false);
}

void add_left_out(nlohmann::ordered_json& document, const Plan& plan) {
    document["parameters"] = plan.parameters;
    document["left_out"] = nlohmann::ordered_json::array();
    for (const LeftOut& left : plan.left_out) {
        document["left_out"].push_back({{"tensor", left.tensor},
                                        {"reason", name_of(left.reason)},
                                        {"text", left.text},
                                        {"parameters", left.parameters},
                                        {"bytes", left.bytes}});
        if (left.assumed) document["left_out"].back()["assumed"] = true;
    }
}

}  // namespace octile::cli
