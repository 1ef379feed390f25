// What a caller knows about weights, by expressions over the names of layers.
#pragma once

#include <string>

#include "inputs/weight_modules.h"
#include "octile/status.h"

namespace octile {

// Patterns (base/pattern.h) searched for anywhere in a layer's name; empty: none.
struct WeightPatterns {
    std::string leave_out = {};
    std::string may_leave_out = {};  // where it cannot be read
    std::string transposed = {};
};

// kInvalidArgument, naming the option (--skip, --transposed), for what is no expression.
Result<WeightRules> make_weight_rules(const WeightPatterns& patterns);

}  // namespace octile
