#include "tuner/host_core.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "octile/parallel.h"
#include "octile/planner.h"
#include "runtime/cache_levels.h"

using namespace octile;

TEST_CASE("Lists of CPUs", "[host_core]") {
    CHECK(count_cpus("0") == 1);
    CHECK(count_cpus("0-3") == 4);
    CHECK(count_cpus("0-3,8,10-11") == 7);
    CHECK(count_cpus("") == 1);
    CHECK(count_cpus("nonsense") == 1);
}

TEST_CASE("Caches as Linux describes them", "[host_core]") {
    namespace fs = std::filesystem;
    const fs::path folder = fs::temp_directory_path() / ("octile_caches_" + std::to_string(::getpid()));
    const auto write = [&](int index, const char* level, const char* type, const char* size, const char* cpus) {
        const fs::path cache = folder / ("index" + std::to_string(index));
        fs::create_directories(cache);
        std::ofstream(cache / "level") << level << '\n';
        std::ofstream(cache / "type") << type << '\n';
        std::ofstream(cache / "size") << size << '\n';
        std::ofstream(cache / "shared_cpu_list") << cpus << '\n';
    };
    write(0, "1", "Data", "32K", "0");
    write(1, "1", "Instruction", "64K", "0");
    write(2, "2", "Unified", "512K", "0-1");
    write(3, "3", "Unified", "4M", "0-3");
    const std::vector<CacheLevel> caches = read_caches(folder);
    fs::remove_all(folder);
    CHECK(caches == std::vector<CacheLevel>{{32, 1, 0}, {512, 2, 0}, {4096, 4, 0}});
    CHECK(read_caches(folder).empty());
}

TEST_CASE("This machine, measured, is a core that can be stored and planned for", "[host_core]") {
    const int threads_before = threads();
    const Result<Core> core = measure_host_core(usable_isas().value());
    INFO(core.status().message());
    REQUIRE(core.ok());
    CHECK(threads() == threads_before);
    CHECK(core->clock_ghz > 0);
    const Result<Core> again = core_from_json(to_json(core.value()));
    INFO(again.status().message());
    REQUIRE(again.ok());
    CHECK(again.value() == core.value());

    PlanOptions options;
    options.policy = Policy::kCost;
    options.core = core.value();
    Layer layer;
    layer.name = "fc";
    layer.m = 128;
    layer.k = layer.n = 512;
    const Result<Plan> plan = make_plan({"net", {layer}}, options);
    REQUIRE(plan.ok());
    CHECK(plan->layers[0].cost.int8_us().value() > 0);
}

TEST_CASE("A CPU without kernels is said so", "[host_core]") {
    CHECK(measure_host_core(IsaSet{}).status().code() == StatusCode::kUnsupported);
}
