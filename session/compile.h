// From a graph and a plan to the steps that a session runs.
#pragma once

#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "session/arena.h"
#include "session/step.h"

namespace octile {

// A value between steps: where it lives, and its shape.
struct SessionValue {
    enum class Home { kArena, kInput, kOutput };
    Home home = Home::kArena;
    std::size_t place = 0;  // an offset in the arena, or the place among the graph's inputs or outputs
    std::int64_t features = 0;
    bool pooled = false;
    Lifetime life = {};
};

struct PlannedStep {
    std::unique_ptr<Step> step;
    const Node* node = nullptr;  // what a failure is told of
    const Node* last = nullptr;  // the node whose value it yields
    int output = -1;             // none: a norm whose rows alone are read
};

struct CompiledSession {
    std::vector<SessionValue> values;
    std::vector<PlannedStep> steps;
    ArenaPlan arena;
    // Of each slot of packed rows, the linears that use it.
    std::vector<std::vector<const Linear*>> panels;
};

// kInvalidArgument or kUnsupported, naming the node.
Result<CompiledSession> compile(StepContext& context, const Plan& plan);

}  // namespace octile
