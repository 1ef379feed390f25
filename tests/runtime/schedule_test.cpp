// Which schedule runs: what cores are called, whose relatives they are, and what OCTILE_CORE says.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "octile/linear.h"
#include "runtime/kernel_table.h"
#include "runtime/level_kernels.h"
#include "runtime/schedule_in_use.h"
#include "tests/inputs/status_checks.h"
#include "tests/support/process_settings.h"

namespace octile::test {
namespace {

std::string schedule_named(int number) {
    return std::string(built_schedules()[static_cast<std::size_t>(number)]);
}

// Of cores in the order of kinship, the first that the archive has a schedule for.
std::string nearest_built(const std::vector<std::string>& cores) {
    for (const std::string& core : cores) {
        if (std::count(built_schedules().begin(), built_schedules().end(), core)) return core;
    }
    return schedule_named(0);
}

TEST_CASE("cores are named by what the hardware says") {
    CHECK(name_of_core("arm:0x41:0xd0c") == "neoverse-n1");
    CHECK(name_of_core("arm:0x41:0xd07") == "cortex-a57");
    CHECK(name_of_core("x86:GenuineIntel:6:167+avx512vnni+amx") == "sapphirerapids");
    CHECK(name_of_core("x86:GenuineIntel:6:85+avx512vnni") == "cascadelake");
    CHECK(name_of_core("x86:AuthenticAMD:26:2+avx512vnni") == "zen5");
    CHECK(name_of_core("x86:AuthenticAMD:25:17+avx512vnni") == "zen4");
    CHECK(name_of_core("x86:AuthenticAMD:25:33").empty());  // Zen 3
    CHECK(name_of_core("arm:0x41:0xfff").empty());
    CHECK(name_of_core("arm:unknown").empty());
    CHECK(name_of_core("").empty());
}

TEST_CASE("a core without a schedule runs its nearest relative's, and without one of those the first") {
    CHECK(schedule_named(schedule_of("cortex-a75")) == nearest_built({"cortex-a75", "cortex-a76", "neoverse-n1"}));
    CHECK(schedule_named(schedule_of("cortex-x925")) == nearest_built({"cortex-x925", "cortex-x4", "neoverse-v2"}));
    CHECK(schedule_named(schedule_of("zen4")) == nearest_built({"zen4", "zen5"}));
    CHECK(schedule_of("apple-m1") == 0);
    CHECK(schedule_of("a core that nobody knows") == 0);
    CHECK(schedule_of("") == 0);
    for (int i = 0; i < static_cast<int>(built_schedules().size()); i++)
        CHECK(schedule_of(built_schedules()[static_cast<std::size_t>(i)]) == i);
}

TEST_CASE("of several kinds of core the one that most CPUs are counts, of as many the first") {
    const std::vector<std::string> cpus = {"little", "big", "big", "little", "big"};
    const CoreKind kind = most_common(cpus);
    CHECK(kind.identity == "big");
    CHECK(kind.cpus == 3);
    CHECK(kind.of == 5);
    CHECK(most_common(std::span(cpus).first(4)).identity == "little");
    CHECK(most_common({}).identity.empty());
}

TEST_CASE("the process's core is one kind of it") {
    const EnvironmentVariable unset("OCTILE_CORE", std::nullopt);
    const CoreInUse core = core_in_use().value();
    CHECK_FALSE(core.kind.identity.empty());
    CHECK(core.core == name_of_core(core.kind.identity));
    CHECK(core.kind.cpus >= 1);
    CHECK(core.kind.cpus <= core.kind.of);
    CHECK_FALSE(core.from_environment);
    CHECK(schedule_in_use().value() == core.schedule);
    CHECK(core.schedule == schedule_of(core.core));
}

TEST_CASE("OCTILE_CORE names the core, and is an error where it names none") {
    for (const std::string_view name : built_schedules()) {
        const EnvironmentVariable named("OCTILE_CORE", std::string(name));
        const CoreInUse core = core_in_use().value();
        CHECK(core.core == name);
        CHECK(core.from_environment);
        CHECK(schedule_in_use().value() == core.schedule);
        CHECK(schedule_named(core.schedule) == name);
    }
    const std::vector<float> weights(16 * 16, 1.0f);
    const MatrixView w{weights.data(), DataType::kF32, 16, 16, 16};
    for (const char* wrong : {"zen", "Default", "default ", "no-core"}) {
        const EnvironmentVariable named("OCTILE_CORE", wrong);
        require_error(core_in_use().status(), StatusCode::kInvalidArgument,
                      {"OCTILE_CORE", wrong, "unknown", "default"});
        require_error(schedule_in_use().status(), StatusCode::kInvalidArgument, {"OCTILE_CORE", wrong});
        require_error(Linear::pack(w, {}, {}, supported_isas()).status(), StatusCode::kInvalidArgument,
                      {"OCTILE_CORE", wrong});
    }
    const EnvironmentVariable empty("OCTILE_CORE", "");
    CHECK_FALSE(core_in_use().value().from_environment);
}

TEST_CASE("every schedule finds its own kernels, and all have the same panels") {
    for (const Precision precision : {Precision::kInt8, Precision::kFp16}) {
        const LevelKernels* first = LevelKernels::find(precision, supported_isas(), 0);
        REQUIRE(first);
        for (int schedule = 0; schedule < static_cast<int>(built_schedules().size()); schedule++) {
            const LevelKernels* kernels = LevelKernels::find(precision, supported_isas(), schedule);
            REQUIRE(kernels);
            CHECK(kernels == LevelKernels::find(precision, supported_isas(), schedule));
            for (const bool single_row : {false, true})
                CHECK(kernels->panel_m(single_row) == first->panel_m(single_row));
            CHECK(kernels->panel_n() == first->panel_n());
            CHECK(kernels->column_unit() == first->column_unit());
            for (const WeightSize size : {WeightSize::kAny, WeightSize::kLarge}) {
                for (const Kernel* kernel : kernels->gemm(Scaling::kDynamic, size).wide)
                    CHECK(kernel->info.is_of(schedule));
                CHECK(kernels->gemm(Scaling::kDynamic, size).row->info.is_of(schedule));
            }
        }
    }
}

}  // namespace
}  // namespace octile::test
