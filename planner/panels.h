// Which linears read the same input, and so share one packed panel of it.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "planner/fusion.h"

namespace octile {

// Linears that read the same rows with the same M and K.
struct PanelGroup {
    std::vector<std::size_t> linears;  // indices of the fused rows, in execution order; at least one
    // The row they read, if it can write the quantized panel itself: a layernorm, which then costs no more than it does
    // anyway, or a linear whose output scale is fixed, if it is INT8.
    std::optional<std::size_t> norm;
    std::optional<std::size_t> producer;
};

// In the order of their first linear. Every linear is in one group.
std::vector<PanelGroup> group_panels(const std::vector<FusedRow>& rows);

}  // namespace octile
