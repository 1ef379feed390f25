#include "tuner/selection.h"
#include "runtime/core_identity.h"

#include <catch2/catch.hpp>

#include "tests/tuner/records.h"
#include "tuner/core_names.h"
#include "tuner/schedule_file.h"

using namespace octile;
using namespace octile::tuner;
using octile::test::make_record;
using octile::test::with_panel_n;

namespace {

// Records of one job: the default at 1000 ns and panels of 16 and 24 columns at a share of it, in a wandering clock.
std::vector<Record> job(const std::string& session, const std::string& name, std::int64_t k, double share16,
                        double share24, double speed = 1) {
    std::vector<Record> records;
    for (const auto& [panel_n, share] : {std::pair(12, 1.0), {16, share16}, {24, share24}}) {
        std::vector<double> ns;
        for (int round = 0; round < 9; ++round)
            ns.push_back(speed * 1000 * share * (1 + 0.03 * (round % 3)) * (1 + 0.001 * ((round * panel_n) % 5)));
        Record record = make_record(ns);
        if (panel_n != 12) record = with_panel_n(record, panel_n);
        record.session = session;
        record.job = name;
        record.key.k = k;
        records.push_back(record);
    }
    return records;
}

std::vector<Record> operator+(std::vector<Record> a, const std::vector<Record>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

}  // namespace

TEST_CASE("The fastest over all layers is chosen, whatever the clock did between jobs", "[selection]") {
    // 24 columns win one layer by more than they lose the other; the second session's machine is half as fast.
    const auto records = job("s", "a", 384, 0.97, 0.80) + job("t", "b", 768, 0.97, 1.02, 2);
    const std::vector<Choice> choices = choose(records);
    REQUIRE(choices.size() == 1);
    const Choice& choice = choices[0];
    CHECK_FALSE(choice.is_default);
    CHECK(choice.label == "8x24");
    CHECK(choice.params["panel_n"] == 24);
    CHECK(choice.default_params["panel_n"] == 12);
    CHECK(choice.estimate.speedup() == Approx(1 / std::sqrt(0.80 * 1.02)).epsilon(0.01));
    CHECK(choice.schedules == 3);
    REQUIRE(choice.layers.size() == 2);
    CHECK(choice.layers[1].best_ns / choice.layers[1].default_ns == Approx(1.02).epsilon(0.01));
    CHECK(choice.ranking.front().label == "8x24");
    CHECK(choice.ranking.size() == 3);
}

TEST_CASE("A tie, or a schedule that misses a layer, leaves the default", "[selection]") {
    CHECK(choose(job("s", "a", 384, 0.998, 1.0))[0].is_default);
    auto records = job("s", "a", 384, 0.9, 0.9) + job("s", "b", 768, 1, 1);
    std::erase_if(records, [](const Record& record) { return record.key.k == 768 && !record.is_default; });
    const Choice choice = choose(records).at(0);
    CHECK(choice.is_default);
    REQUIRE(choice.ranking.size() == 3);
    CHECK(choice.ranking[1].layers == 1);
}

TEST_CASE("A schedule that was confirmed counts by its confirmation, and others no more", "[selection]") {
    const auto searched = job("s", "panels.g0.r0.l0", 384, 0.85, 0.80);
    auto confirmed = job("s", "confirm.g0.r0.l0", 384, 1, 0.95);
    std::erase_if(confirmed, [](const Record& record) { return record.params["panel_n"] == 16; });
    CHECK(choose(searched)[0].label == "8x24");
    const Choice choice = choose(searched + confirmed).at(0);
    CHECK(choice.label == "8x24");
    CHECK(choice.estimate.speedup() == Approx(1 / 0.95).epsilon(0.01));
    CHECK(choice.ranking.size() == 3);
    auto refuted = confirmed;
    for (Record& record : refuted) {
        if (!record.is_default)
            for (double& ns : record.ns)
                ns *= 1.05;
    }
    CHECK(choose(searched + refuted)[0].is_default);
}

TEST_CASE("Jobs that differ by more than their rounds are less sure", "[selection]") {
    auto alike = job("s", "a", 384, 1, 0.97), apart = alike;
    for (const auto& [name, share] : {std::pair("b", 0.94), {"c", 0.98}, {"d", 1.01}}) {
        alike = alike + job("s", name, 384, 1, 0.97);
        apart = apart + job("s", name, 384, 1, share);
    }
    CHECK(choose(alike)[0].estimate.confidence() > 0.99);
    CHECK(choose(apart)[0].ranking.front().estimate.error > 5 * choose(alike)[0].ranking.front().estimate.error);
    CHECK(choose(apart)[0].is_default);
}

TEST_CASE("One wrong result rules a schedule out", "[selection]") {
    auto records = job("s", "a", 384, 0.9, 0.8);
    Record wrong = with_panel_n(make_record({}), 24);
    wrong.session = "s";
    wrong.job = "b";
    Record base = make_record();
    base.session = "s";
    base.job = "b";
    CHECK(choose(records)[0].label == "8x24");
    records = records + std::vector{base, wrong};
    CHECK(choose(records)[0].label == "8x16");
}

TEST_CASE("What a search that was killed and resumed measured twice counts once", "[selection]") {
    const auto once = job("s", "a", 384, 0.9, 0.8);
    const auto twice = job("s", "a", 384, 0.5, 0.5) + once;
    CHECK(choose(twice)[0].estimate.log_ratio == choose(once)[0].estimate.log_ratio);
}

TEST_CASE("Groups are apart by core, threads, level and source", "[selection]") {
    auto records = job("s", "a", 384, 0.9, 0.8);
    auto model = records;
    for (Record& record : model)
        record.source = Source::kModel;
    auto threads = records;
    for (Record& record : threads)
        record.key.threads = 2;
    CHECK(choose(records + model + threads).size() == 3);
    for (Record& record : records)
        record.is_default = false;
    CHECK(choose(records).empty());
}

TEST_CASE("The planner asks for a layer and gets the chosen schedule's time", "[selection]") {
    const auto is_core = [](std::string_view identity, std::string_view core) { return core_name(identity) == core; };
    auto records = job("s", "a", 384, 0.9, 0.8);
    const Measurements measured = measurements_of(records, is_core);
    MeasurementKey key{.core = "neoverse-n2", .m = 128, .k = 384, .n = 1536, .activation = Activation::kGelu};
    REQUIRE(measured(key));
    CHECK(*measured(key) == Approx(0.8 * 1.03).epsilon(0.01));
    for (const auto& change : std::vector<std::function<void(MeasurementKey&)>>{
             [](MeasurementKey& other) { other.core = "neoverse-v1"; }, [](MeasurementKey& other) { other.m = 1; },
             [](MeasurementKey& other) { other.threads = 2; },
             [](MeasurementKey& other) { other.precision = Precision::kFp16; },
             [](MeasurementKey& other) { other.activation = Activation::kNone; }}) {
        MeasurementKey other = key;
        change(other);
        CHECK_FALSE(measured(other));
    }
    for (Record& record : records)
        record.source = Source::kModel;
    CHECK_FALSE(measurements_of(records, is_core)(key));
}

TEST_CASE("A schedule file takes what won and keeps what it had", "[selection]") {
    const std::vector<Choice> choices = choose(job("s", "a", 384, 0.9, 0.8));
    nlohmann::json before = nlohmann::json::parse(R"({"_": "words", "levels": {"dotprod": {"int8": {"panel_m": 8}}}})");
    const nlohmann::json after = with_choices(before, choices, "neoverse-n2");
    CHECK(after["levels"]["dotprod"] == before["levels"]["dotprod"]);
    CHECK(after["levels"]["i8mm"]["int8"]["panel_n"] == 24);
    CHECK(nlohmann::json::parse(schedule_text(after)) == after);
    const std::vector<Choice> tie = choose(job("s", "a", 384, 1, 1));
    CHECK(with_choices(nullptr, tie, "neoverse-n2")["levels"]["i8mm"]["int8"] == tie[0].default_params);
}

TEST_CASE("Cores have the names of schedules/cores", "[selection]") {
    CHECK(core_name("arm:0x41:0xd0c") == "neoverse-n1");
    CHECK(core_name("x86:GenuineIntel:6:167+avx512vnni+amx") == "sapphirerapids");
    CHECK(core_name("x86:GenuineIntel:6:85+avx512vnni") == "cascadelake");
    CHECK(core_name("model:cortex-a510") == "cortex-a510");
    CHECK(core_name("arm:0x41:0xfff").empty());
    CHECK_FALSE(core_identity().empty());
    CHECK(core_identity() == core_identity());
}
