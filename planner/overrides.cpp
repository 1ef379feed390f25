#include "planner/overrides.h"

#include <fmt/format.h>

#include <exception>
#include <iterator>

#include "base/printable.h"

namespace octile {
namespace {

// ".*" at either end changes nothing about whether a name matches somewhere, but costs a scan of the name from each
// position.
std::string_view without_outer_wildcards(std::string_view pattern) {
    constexpr std::string_view kQuantifiers = "*+?{";
    if (pattern.starts_with(".*") && (pattern.size() == 2 || kQuantifiers.find(pattern[2]) == std::string_view::npos)) {
        pattern.remove_prefix(2);
    }
    if (pattern.ends_with(".*") && (pattern.size() == 2 || pattern[pattern.size() - 3] != '\\'))
        pattern.remove_suffix(2);
    return pattern;
}

std::string label(const std::string& pattern, std::optional<Precision> force) {
    return force ? fmt::format("force {}", internal::quote(fmt::format("{}={}", pattern, name_of(*force))))
                 : fmt::format("skip {}", internal::quote(pattern));
}

}  // namespace

Result<Overrides::Pattern> Overrides::compile_pattern(std::string_view text, std::optional<Precision> force) {
    const auto invalid = [&](std::string_view why) {
        return Status(StatusCode::kInvalidArgument, fmt::format("{}: {}", label(std::string(text), force), why));
    };
    if (text.empty()) return invalid("the pattern is empty");
    if (text.size() > kMaxPatternLength) {
        return invalid(fmt::format("expected a pattern of at most {} bytes, found {}", kMaxPatternLength, text.size()));
    }
    auto flags = std::regex::ECMAScript | std::regex::nosubs | std::regex::optimize;
#ifdef __GLIBCXX__
    // The default matcher backtracks: exponential time for some patterns, and one stack frame per character of the
    // name. This one takes polynomial time and knows no back-references.
    flags |= std::regex_constants::__polynomial;
#endif
    try {
        const std::string_view body = without_outer_wildcards(text);
        return Pattern{std::string(text), std::regex(body.begin(), body.end(), flags), force};
    } catch (const std::exception& error) {
        return invalid(fmt::format("not a regular expression: {}", error.what()));
    }
}

Result<Overrides> Overrides::compile(const PlanOptions& options) {
    Overrides overrides;
    const auto add = [&](std::string_view text, std::optional<Precision> force) -> Status {
        Result<Pattern> pattern = compile_pattern(text, force);
        if (pattern.ok()) overrides.patterns_.push_back(std::move(pattern).value());
        return pattern.status();
    };
    if (!options.skip.empty()) {
        if (Status status = add(options.skip, std::nullopt); !status.ok()) return status;
    }
    for (auto force = options.forces.rbegin(); force != options.forces.rend(); ++force) {
        if (Status status = add(force->pattern, force->precision); !status.ok()) return status;
    }
    return overrides;
}

Result<Override> Overrides::match(const std::string& name) {
    for (Pattern& pattern : patterns_) {
        try {
            if (!std::regex_search(name, pattern.regex)) continue;
        } catch (const std::exception& error) {
            return Status(StatusCode::kInvalidArgument,
                          fmt::format("{}: cannot be matched against {}: {}", label(pattern.text, pattern.force),
                                      internal::quote(name), error.what()));
        }
        ++pattern.decided;
        return Override{.skip = !pattern.force, .force = pattern.force};
    }
    return Override{};
}

std::vector<std::string> Overrides::unused(bool skip_used) const {
    std::vector<std::string> lines;
    for (const Pattern& pattern : patterns_) {
        if (pattern.decided == 0 && (pattern.force || !skip_used)) {
            lines.push_back(fmt::format("{} decides no layer", label(pattern.text, pattern.force)));
        }
    }
    return lines;
}

}  // namespace octile
