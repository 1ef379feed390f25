// A list of layers made ready for decisions: inputs known, layers fused, linears grouped by what they read.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "octile/planner.h"
#include "planner/fusion.h"
#include "planner/group_costs.h"
#include "planner/overrides.h"
#include "planner/panels.h"
#include "planner/precision.h"

namespace octile {

struct Network {
    std::vector<FusedRow> rows;
    std::vector<PanelGroup> groups;
    std::vector<std::size_t> group_of;             // of a row; groups.size() for what is no linear
    std::vector<std::vector<std::size_t>> chains;  // groups that a row may write INT8 for; empty: no row has a scale
};

// kInvalidArgument, naming layer, row and field, for a list that cannot be planned.
Result<Network> prepare(const Model& model);

// What the patterns say of each row.
std::vector<Override> match_all(Overrides& overrides, const Network& network);

// A group's linears, their costs in the setting that the choices for the rest of the network make. `m`, if given,
// replaces their M. Precondition: options.core.
GroupCosts group_costs(const Network& network, const PanelGroup& group, const CostModel& model,
                       const PlanOptions& options, std::span<const Choice> choices,
                       std::optional<std::int64_t> m = std::nullopt);

// One choice for each row, by the options' policy. `wanted` holds the caller's patterns, for each row. Preconditions:
// validate(options) is ok; with policy `accuracy`, an error for each row of the list.
std::vector<Choice> choose_all(const Network& network, const PlanOptions& options, std::span<const Override> wanted);

}  // namespace octile
