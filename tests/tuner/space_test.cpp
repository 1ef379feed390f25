#include "tuner/space.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "tuner/schedule_file.h"
#include "tuner/session.h"

using namespace octile;
using namespace octile::tuner;
using nlohmann::json;

namespace {

const json kVnni = json::parse(R"({
    "panel": "u8", "k_block": 4, "cell": [1, 16], "panel_m": 8, "panel_n": 48,
    "tiles": [{"m": 8}, {"m": 7}, {"m": 6}, {"m": 5}, {"m": 4}, {"m": 3}, {"m": 2, "k_split": 2}, {"m": 1, "k_split": 4}],
    "row": {"k_split": 4},
    "large": {"order": "rows", "tiles": [{"m": 8, "prefetch": 64}]}})");

Core core() {
    return find_core("neoverse-n2").value();
}

}  // namespace

TEST_CASE("An entry's parameters make an entry with the same parameters", "[space]") {
    const LevelTraits traits = LevelTraits::of("gemm_s8", Isa::kAvx512vnni, kVnni);
    const Parameters p = parameters_of(kVnni);
    CHECK(p.panel_n == 48);
    CHECK(p.prefetch == 64);
    CHECK(p.rows_order == 0);
    CHECK(p.large_order == 1);
    const json entry = entry_of(p, traits, kVnni);
    CHECK(parameters_of(entry) == p);
    CHECK(entry["tiles"] == kVnni["tiles"]);  // chains follow the same rule
    CHECK(entry["panel"] == "u8");
    Parameters changed = p;
    changed.prefetch = 0;
    changed.large_order = 0;
    CHECK_FALSE(entry_of(changed, traits, kVnni).contains("large"));
    CHECK(label_of(p) == "8x48 L:rows L:pf64 | 1x48 s4");
}

TEST_CASE("Every point keeps the rules, and every entry has all heights", "[space]") {
    const LevelTraits traits = LevelTraits::of("gemm_s8", Isa::kAvx512vnni, kVnni);
    const Space space = enumerate(parameters_of(kVnni), traits, core(), {.large = true, .longest_k = 3072});
    REQUIRE(space.points.size() > 50);
    CHECK(space.points.front() == parameters_of(kVnni));
    CHECK(space.pruned.at("registers") > 0);
    CHECK(std::set<Parameters>(space.points.begin(), space.points.end()).size() == space.points.size());
    for (std::size_t i = 1; i < space.points.size(); ++i) {
        const Parameters& p = space.points[i];
        INFO(label_of(p));
        CHECK(traits.registers_of(p.panel_m, p.panel_n * p.panels, 1) <= 32);
        CHECK(traits.accumulators(p.panel_m, p.panel_n * p.panels) >= 10);
        const json entry = entry_of(p, traits, kVnni);
        CHECK(entry["tiles"].size() == static_cast<std::size_t>(p.panel_m));
        CHECK(parameters_of(entry) == p);
    }
}

TEST_CASE("The panels of a single row are another size than those of many", "[space]") {
    json entry = kVnni;
    entry["panel"] = "s8";
    entry["k_block"] = 8;
    entry["cell"] = {2, 2};
    entry["panel_n"] = 12;
    const LevelTraits traits = LevelTraits::of("gemm_s8", Isa::kI8mm, entry);
    for (const Parameters& p : enumerate(parameters_of(entry), traits, core(), {}).points)
        CHECK(p.panel_m > 2);
    // Panels that another level packs stay.
    entry["packed_by"] = "i8mm";
    const LevelTraits reader = LevelTraits::of("gemm_s8", Isa::kSve256, entry);
    for (const Parameters& p : enumerate(parameters_of(entry), reader, core(), {}).points) {
        CHECK(p.panel_m == 8);
        CHECK(p.panel_n == 12);
    }
}

TEST_CASE("Neighbours differ in one parameter", "[space]") {
    const LevelTraits traits = LevelTraits::of("gemm_s8", Isa::kAvx512vnni, kVnni);
    for (const Stage stage : {Stage::kPanels, Stage::kBlocking, Stage::kRow}) {
        const Space space = enumerate(parameters_of(kVnni), traits, core(), {.stage = stage, .large = true});
        const std::vector<std::size_t> near = space.neighbours(1);
        CHECK_FALSE(near.empty());
        CHECK(std::find(near.begin(), near.end(), 1) == near.end());
        for (const std::size_t other : near) {
            const std::vector<std::size_t> back = space.neighbours(other);
            CHECK(std::find(back.begin(), back.end(), 1) != back.end());
        }
    }
}

TEST_CASE("The row stage leaves the panels, and the blocking stage the tiles", "[space]") {
    const LevelTraits traits = LevelTraits::of("gemm_s8", Isa::kAvx512vnni, kVnni);
    const Parameters from = parameters_of(kVnni);
    for (const Parameters& p : enumerate(from, traits, core(), {.stage = Stage::kRow}).points) {
        CHECK(entry_of(p, traits, kVnni)["tiles"] == kVnni["tiles"]);
        CHECK(p.row_k_split * 4 <= 16);
    }
    const Space small = enumerate(from, traits, core(), {.stage = Stage::kBlocking, .large = false});
    for (const Parameters& p : small.points) {
        CHECK(p.prefetch == from.prefetch);
        CHECK(p.large_block_rows == from.large_block_rows);
        CHECK(p.block_rows % p.panel_m == 0);
        CHECK(p.task_rows == 0);
    }
}

TEST_CASE("More work is more cycles, and a taller tile reads the weights less often", "[space]") {
    const LevelTraits traits = LevelTraits::of("gemm_s8", Isa::kAvx512vnni, kVnni);
    const Parameters p = parameters_of(kVnni);
    const TunedLayer layer{128, 768, 768};
    const double cycles = predicted_cycles(p, traits, core(), layer);
    CHECK(cycles > 0);
    for (const TunedLayer& more : {TunedLayer{136, 768, 768}, TunedLayer{128, 1536, 768}, TunedLayer{128, 768, 1536}})
        CHECK(predicted_cycles(p, traits, core(), more) > cycles);
    Parameters narrow = p;
    narrow.panel_n = 16;
    CHECK(predicted_cycles(narrow, traits, core(), layer) > cycles);
}

TEST_CASE("Each linear of a network is tuned once, in order, however many there are", "[space]") {
    // 10^5: looking at all before each would take 5 * 10^9 comparisons, more than the test's time.
    Model model{.name = "many", .layers = {}};
    for (int i = 0; i < 100'000; i++) {
        model.layers.push_back({.name = "l", .m = 1 + i, .k = 64, .n = 64});
        model.layers.push_back({.name = "again", .m = 1 + i / 2, .k = 64, .n = 64});
    }
    model.layers.push_back({.name = "norm", .op = Op::kLayerNorm, .m = 1, .n = 7});
    const std::vector<TunedLayer> layers = layers_of(model);
    REQUIRE(layers.size() == 100'000);
    for (std::size_t i = 0; i < layers.size(); i++)
        CHECK(layers[i].m == static_cast<std::int64_t>(i) + 1);
}
