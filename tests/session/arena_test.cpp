// The plan of an arena: values that are alive at once never touch, and little is wasted.
#include "session/arena.h"

#include <catch2/catch.hpp>
#include <vector>

#include "octile/session.h"
#include "session/compile.h"
#include "tests/session/networks.h"
#include "tests/support/seed.h"

namespace octile::test {
namespace {

void check_plan(const std::vector<Lifetime>& values, const ArenaPlan& plan) {
    REQUIRE(plan.offsets.size() == values.size());
    for (std::size_t a = 0; a < values.size(); a++) {
        CHECK(plan.offsets[a] % kArenaAlignment == 0);
        CHECK(plan.offsets[a] + values[a].bytes <= plan.bytes);
        for (std::size_t b = 0; b < a; b++) {
            if (!values[a].overlaps(values[b])) continue;
            const bool apart = plan.offsets[a] + values[a].bytes <= plan.offsets[b] ||
                               plan.offsets[b] + values[b].bytes <= plan.offsets[a];
            INFO(a << " and " << b);
            CHECK(apart);
        }
    }
    CHECK(plan.least <= plan.bytes);
    CHECK(plan.bytes <= plan.sum);
}

TEST_CASE("an arena of chained values takes two at a time") {
    const std::vector<Lifetime> chain = {{64, 0, 1}, {64, 1, 2}, {64, 2, 3}, {64, 3, 4}, {64, 4, 5}};
    const ArenaPlan plan = plan_arena(chain);
    check_plan(chain, plan);
    CHECK(plan.bytes == 128);
    CHECK(plan.least == 128);
    CHECK(plan.sum == 320);
}

TEST_CASE("an arena of nothing, of empty values and of odd sizes") {
    CHECK(plan_arena({}).bytes == 0);
    const std::vector<Lifetime> odd = {{1, 0, 3}, {0, 1, 1}, {65, 0, 0}, {100, 1, 2}, {3, 3, 3}};
    const ArenaPlan plan = plan_arena(odd);
    check_plan(odd, plan);
    CHECK(plan.least == 64 + 128);
    CHECK(plan.bytes == plan.least);
}

TEST_CASE("random lifetimes never overlap in memory, and stay near the least") {
    Random random("arena");
    double worst = 1;
    for (int round = 0; round < 200; round++) {
        std::vector<Lifetime> values;
        const std::size_t steps = 2 + random.below(40);
        for (std::size_t i = 0; i < 1 + random.below(60); i++) {
            const std::size_t first = random.below(static_cast<std::uint32_t>(steps));
            values.push_back({1 + random.below(5000), first, first + random.below(5)});
        }
        const ArenaPlan plan = plan_arena(values);
        check_plan(values, plan);
        worst = std::max(worst, static_cast<double>(plan.bytes) / static_cast<double>(plan.least));
    }
    CHECK(worst < 1.5);
}

TEST_CASE("networks need no more than what is alive at once") {
    for (const Graph& graph : {encoder_graph({}), decoder_graph({})}) {
        const RandomTensors tensors(graph);
        const Plan plan = plan_of(graph, 0);
        const IsaSet isas = usable_isas().value();
        auto parameters =
            std::make_shared<const Parameters>(pack_parameters(graph, plan, tensors.lookup(), isas).value());
        const Session session = Session::create(graph, plan, parameters, {.max_rows = 100, .max_sequences = 3}).value();
        const SessionMemory memory = session.memory();
        CHECK(static_cast<double>(memory.arena) <= 1.1 * static_cast<double>(memory.least));
        CHECK(memory.arena < memory.values / 2);
        CHECK(session.arena_bytes() == memory.arena);
        CHECK((memory.cache > 0) == (graph.name == "decoder"));
        CHECK(to_text(memory).find("arena 0.") == 0);
    }
}

}  // namespace
}  // namespace octile::test
