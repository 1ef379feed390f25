#include "planner/overrides.h"

#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "base/printable.h"

namespace octile {
namespace {

std::string label(const std::string& pattern, std::optional<Precision> force) {
    return force ? fmt::format("force {}", internal::quote(fmt::format("{}={}", pattern, name_of(*force))))
                 : fmt::format("skip {}", internal::quote(pattern));
}

}  // namespace

static_assert(kMaxPatternLength == limits::kPatternBytes);

Result<Overrides::Rule> Overrides::compile_rule(std::string_view text, std::optional<Precision> force) {
    Result<internal::Pattern> pattern = internal::Pattern::compile(text);
    if (!pattern.ok()) {
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("{}: {}", label(std::string(text), force), pattern.status().message()));
    }
    return Rule{std::string(text), std::move(pattern).value(), force};
}

Result<Overrides> Overrides::compile(const PlanOptions& options) {
    Overrides overrides;
    const auto add = [&](std::string_view text, std::optional<Precision> force) -> Status {
        Result<Rule> rule = compile_rule(text, force);
        if (rule.ok()) overrides.rules_.push_back(std::move(rule).value());
        return rule.status();
    };
    if (!options.skip.empty()) {
        if (Status status = add(options.skip, std::nullopt); !status.ok()) return status;
    }
    for (auto force = options.forces.rbegin(); force != options.forces.rend(); ++force) {
        if (Status status = add(force->pattern, force->precision); !status.ok()) return status;
    }
    return overrides;
}

Override Overrides::match(const std::string& name) {
    for (Rule& rule : rules_) {
        if (!rule.pattern.found_in(name)) continue;
        ++rule.decided;
        return Override{.skip = !rule.force, .force = rule.force};
    }
    return Override{};
}

std::vector<std::string> Overrides::unused(bool skip_used) const {
    std::vector<std::string> lines;
    for (const Rule& rule : rules_) {
        if (rule.decided == 0 && (rule.force || !skip_used)) {
            lines.push_back(fmt::format("{} decides no layer", label(rule.text, rule.force)));
        }
    }
    return lines;
}

}  // namespace octile
