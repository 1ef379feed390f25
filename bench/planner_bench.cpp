// How long planning takes, by the number of layers: it is to grow as the list does, and 100,000 layers are to take less
// than a second.
#include <benchmark/benchmark.h>

#include "octile/planner.h"

namespace {

using namespace octile;

// Blocks of a network whose names tell what reads what: everything that planning does is done.
Model network(std::int64_t layers) {
    Model model;
    const auto add = [&](const std::string& name, Op op, std::int64_t k, std::int64_t n) {
        Layer& layer = model.layers.emplace_back();
        layer.name = name;
        layer.op = op;
        layer.m = 128;
        layer.k = k;
        layer.n = n;
    };
    for (std::int64_t block = 0; static_cast<std::int64_t>(model.layers.size()) < layers; ++block) {
        const std::string prefix = "model.layers." + std::to_string(block) + ".";
        add(prefix + "norm", Op::kLayerNorm, 768, 768);
        for (const char* const name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"})
            add(prefix + name, Op::kLinear, 768, 768);
        add(prefix + "mlp.gate_proj", Op::kLinear, 768, 3072);
        add(prefix + "mlp.up_proj", Op::kLinear, 768, 3072);
        add(prefix + "mlp.down_proj", Op::kLinear, 3072, 768);
    }
    return model;
}

// Linears that all read one output.
Model shared_input(std::int64_t layers) {
    Model model;
    for (std::int64_t i = 0; i < layers; ++i) {
        Layer& layer = model.layers.emplace_back();
        layer.name = "l" + std::to_string(i);
        layer.m = 128;
        layer.k = layer.n = 768;
        if (i > 0) layer.inputs = {"l0"};
    }
    return model;
}

void plan(benchmark::State& state, Policy policy, Model (*make)(std::int64_t)) {
    const Model model = make(state.range(0));
    PlanOptions options;
    options.policy = policy;
    if (policy == Policy::kCost) options.core = find_core("neoverse-v2").value();
    for (auto iteration : state) {
        const Result<Plan> result = make_plan(model, options);
        if (!result.ok()) state.SkipWithError(result.status().message().c_str());
        benchmark::DoNotOptimize(result.ok());
    }
    state.SetComplexityN(state.range(0));
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void to_json(benchmark::State& state) {
    PlanOptions options;
    options.policy = Policy::kCost;
    options.core = find_core("neoverse-v2").value();
    const Plan made = make_plan(network(state.range(0)), options).value();
    for (auto iteration : state)
        benchmark::DoNotOptimize(octile::to_json(made).size());
    state.SetComplexityN(state.range(0));
}

BENCHMARK_CAPTURE(plan, ratio, Policy::kRatio, network)
    ->RangeMultiplier(10)
    ->Range(1000, 100000)
    ->Arg(200000)
    ->Complexity(benchmark::oN)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, cost, Policy::kCost, network)
    ->RangeMultiplier(10)
    ->Range(1000, 100000)
    ->Arg(200000)
    ->Complexity(benchmark::oN)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plan, cost_shared_input, Policy::kCost, shared_input)
    ->Arg(100000)
    ->Arg(200000)
    ->Complexity(benchmark::oN)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(to_json)->RangeMultiplier(10)->Range(1000, 100000)->Complexity(benchmark::oN)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
