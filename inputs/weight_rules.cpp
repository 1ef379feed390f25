#include "inputs/weight_rules.h"

#include <memory>
#include <string_view>

#include "base/pattern.h"
#include "base/printable.h"

namespace octile {
namespace {

using Rule = std::function<bool(std::string_view)>;

Result<Rule> compile(std::string_view option, const std::string& text) {
    if (text.empty()) return Rule();
    Result<internal::Pattern> pattern = internal::Pattern::compile(text);
    if (!pattern.ok()) {
        return Status(StatusCode::kInvalidArgument,
                      std::string(option) + " " + internal::quote(text) + ": " + pattern.status().message());
    }
    return Rule([pattern = std::make_shared<const internal::Pattern>(std::move(pattern).value())](
                    std::string_view name) { return pattern->found_in(name); });
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
