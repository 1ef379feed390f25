// The caller's patterns, compiled once and matched against many layer names.
#pragma once

#include <cstddef>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "octile/planner.h"
#include "octile/status.h"
#include "planner/precision.h"

namespace octile {

class Overrides {
  public:
    // The error names the pattern and says what is wrong with it.
    static Result<Overrides> compile(const PlanOptions& options);

    // What applies to the linear of that name. kInvalidArgument if the regular expression engine gives up.
    Result<Override> match(const std::string& name);

    // One line for each pattern that decided no match() so far, without the one that skips if that has been of use
    // elsewhere.
    std::vector<std::string> unused(bool skip_used = false) const;

  private:
    struct Pattern {
        std::string text;  // as the caller wrote it
        std::regex regex;
        std::optional<Precision> force;  // absent: skip
        std::size_t decided = 0;
    };

    static Result<Pattern> compile_pattern(std::string_view text, std::optional<Precision> force);

    std::vector<Pattern> patterns_;  // in order of precedence
};

}  // namespace octile
