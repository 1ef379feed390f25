// The caller's patterns, compiled once and matched against many layer names.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/pattern.h"
#include "octile/planner.h"
#include "octile/status.h"
#include "planner/precision.h"

namespace octile {

class Overrides {
  public:
    // The error names the pattern and says what is wrong with it.
    static Result<Overrides> compile(const PlanOptions& options);

    // What applies to the linear of that name.
    Override match(const std::string& name);

    // One line for each pattern that decided no match() so far, without the one that skips if that has been of use
    // elsewhere.
    std::vector<std::string> unused(bool skip_used = false) const;

  private:
    struct Rule {
        std::string text;  // as the caller wrote it
        internal::Pattern pattern;
        std::optional<Precision> force;  // absent: skip
        std::size_t decided = 0;
    };

    static Result<Rule> compile_rule(std::string_view text, std::optional<Precision> force);

    std::vector<Rule> rules_;  // in order of precedence
};

}  // namespace octile
