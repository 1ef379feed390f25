#include "inputs/weight_rules.h"

#include <memory>
#include <regex>
#include <string_view>

#include "base/printable.h"
#include "inputs/layer_rules.h"

namespace octile {
namespace {

using Rule = std::function<bool(std::string_view)>;

Result<Rule> compile(std::string_view option, const std::string& pattern) {
    if (pattern.empty()) return Rule();
    const auto invalid = [&](std::string_view expected) {
        return Status(StatusCode::kInvalidArgument, std::string(option) + ": expected " + std::string(expected) +
                                                        ", found " + internal::quote(pattern));
    };
    if (pattern.size() > kMaxNameBytes)
        return invalid("a regular expression of at most " + std::to_string(kMaxNameBytes) + " bytes");
    auto flags = std::regex::ECMAScript | std::regex::nosubs | std::regex::optimize;
#ifdef __GLIBCXX__
    // The default matcher takes exponential time for some expressions, and a stack frame for each character of a name.
    flags |= std::regex_constants::__polynomial;
#endif
    try {
        const auto expression = std::make_shared<const std::regex>(pattern, flags);
        return Rule(
            [expression](std::string_view name) { return std::regex_search(name.begin(), name.end(), *expression); });
    } catch (const std::regex_error&) {
        return invalid("a regular expression");
    }
}

}  // namespace

Result<WeightRules> make_weight_rules(const WeightPatterns& patterns) {
    Result<Rule> leave_out = compile("--skip", patterns.leave_out);
    if (!leave_out.ok()) return leave_out.status();
    Result<Rule> may_leave_out = compile("--skip", patterns.may_leave_out);
    if (!may_leave_out.ok()) return may_leave_out.status();
    Result<Rule> transposed = compile("--transposed", patterns.transposed);
    if (!transposed.ok()) return transposed.status();
    return WeightRules{.leave_out = std::move(leave_out).value(),
                       .may_leave_out = std::move(may_leave_out).value(),
                       .transposed = std::move(transposed).value()};
}

}  // namespace octile
